-- Finished jobs, as many as wanted, and everything that belongs to them; names after a colon are put in by
-- many_jobs.py. All is drawn from the numbers of the jobs, so that the same numbers make the same database.

CREATE FUNCTION pg_temp.draw(number bigint, salt int) RETURNS float8 IMMUTABLE PARALLEL SAFE LANGUAGE sql
AS $$ SELECT (hashint8extended(number, salt) & 16777215) / 16777216.0 $$;
CREATE FUNCTION pg_temp.one_of(words text[], number bigint, salt int) RETURNS text
IMMUTABLE PARALLEL SAFE LANGUAGE sql
AS $$ SELECT words[1 + floor(pg_temp.draw(number, salt) * cardinality(words))::int] $$;

INSERT INTO providers (code, name, priority, listing_usd, photo_usd, rehosting, rehosting_reason)
SELECT code, initcap(replace(code, '_', ' ')), 5, 0, 0.002, 'store', 'for a benchmark' FROM unnest(:providers) AS code
ON CONFLICT DO NOTHING;
INSERT INTO cities (id, name, country, slug)
SELECT n, 'City ' || n, 'Poland', 'city-' || n FROM generate_series(1, :cities) AS n;
INSERT INTO venues (id, natural_key, name, slug, city_id, last_asked_at, last_checked_at)
SELECT n, 'venue-' || n,
    pg_temp.one_of('{Golden,Blue,Old,New,Little,Grand}', n, 1) || ' '
    || pg_temp.one_of('{Cinema,Theatre,Gallery,Café,Museum,Hall,Club}', n, 2) || ' ' || n,
    'venue-' || n, 1 + floor(power(pg_temp.draw(n, 3), 2) * :cities), :now, :now
FROM generate_series(1, :venues) AS n;

-- `shape` says what happens: images, no images, an error of the providers, or an early end
CREATE TEMP TABLE drawn ON COMMIT DROP AS
SELECT id, kind, finished_at, shape, city_id, venue_id,
    CASE WHEN shape = 'images' THEN 3 + floor(pg_temp.draw(id, 14) * 9)::int ELSE 0 END AS images,
    -- most jobs go well, some lose a part, a few lose everything
    CASE WHEN pg_temp.draw(id, 15) < 0.78 THEN 0 WHEN pg_temp.draw(id, 15) < 0.98 THEN 0.3 ELSE 1 END
        AS share_failed,
    CASE WHEN pg_temp.draw(id, 16) < 0.2 THEN floor(pg_temp.draw(id, 17) * 6)::int ELSE 0 END AS existing
FROM (
    SELECT id, kind, finished_at, venue_id,
        CASE WHEN kind = 'backfill' THEN 1 + floor(pg_temp.draw(id, 13) * :cities)::int
             ELSE home END AS city_id,
        CASE WHEN pg_temp.draw(id, 18) < 0.006 THEN 'discarded'
             WHEN pg_temp.draw(id, 18) < 0.009 THEN 'cancelled'
             WHEN kind = 'retry' THEN 'retry' WHEN kind <> 'enrichment' THEN 'plain'
             WHEN pg_temp.draw(id, 19) < 0.84 THEN 'images' WHEN pg_temp.draw(id, 19) < 0.93 THEN 'none'
             WHEN pg_temp.draw(id, 19) < 0.96 THEN 'error' ELSE 'skipped' END AS shape
    FROM (
        SELECT id, CASE WHEN id % :block = 0 THEN 'retry' WHEN pg_temp.draw(id, 11) < 0.93 THEN 'enrichment'
            ELSE pg_temp.one_of('{backfill,backfill,geocoding,geocoding,stale,batch,cleanup}', id, 12)
            END AS kind,
            :now - make_interval(
                secs => 60 + :days * 86400.0 * (:jobs - id) / :jobs
            ) AS finished_at
        FROM generate_series(CAST(1 AS bigint), :jobs) AS id
    ) AS numbered
    LEFT JOIN (SELECT id AS venue_id, city_id AS home FROM venues) AS homes
        ON kind IN ('enrichment', 'retry', 'geocoding')
        AND venue_id = 1 + floor(pg_temp.draw(id, 10) * :venues)::bigint
) AS shaped;
-- what the jobs found, and how the first try of each ended
CREATE TEMP TABLE photos ON COMMIT DROP AS
SELECT drawn.id * 16 + position AS id, drawn.id AS job_id, venue_id, city_id, position,
    (:providers)[1 + (venue_id + position % 3 * 2) % 6] AS provider,
    finished_at - make_interval(secs => (images - position) * 0.01) AS tried_at,
    CASE WHEN pg_temp.draw(drawn.id * 16 + position, 20) < share_failed
         THEN pg_temp.one_of(:errors, drawn.id * 16 + position, 21) END AS error
FROM drawn CROSS JOIN LATERAL generate_series(0, images - 1) AS position;
-- each retry tries again what one of the jobs just before it left failed for a passing reason
CREATE TEMP TABLE again ON COMMIT DROP AS
SELECT photos.*, drawn.id AS retry_id,
    drawn.finished_at - make_interval(secs => (16 - position) * 0.01) AS again_at,
    CASE WHEN pg_temp.draw(photos.id, 22) < 0.35 THEN error END AS again_error
FROM (
    SELECT (job_id / :block + 1) * :block AS retry_id, max(job_id) AS job_id
    FROM photos WHERE error = ANY(:transient) GROUP BY 1
) AS target
JOIN drawn ON drawn.id = target.retry_id AND drawn.shape = 'retry'
JOIN photos ON photos.job_id = target.job_id AND photos.error = ANY(:transient);
UPDATE drawn SET venue_id = again.venue_id, city_id = again.city_id
FROM again WHERE drawn.id = again.retry_id;
CREATE INDEX ON again (id);
CREATE TEMP TABLE tries ON COMMIT DROP AS
SELECT photos.id AS image_id, photos.job_id, photos.venue_id, photos.city_id, photos.position,
    photos.provider, 1 AS number, photos.tried_at AS at, photos.error,
    CASE WHEN again.id IS NULL THEN photos.error ELSE again.again_error END AS error_now,
    again.id IS NULL AS is_latest
FROM photos LEFT JOIN again ON again.id = photos.id
UNION ALL
SELECT id, retry_id, venue_id, city_id, position, provider, 2, again_at, again_error, again_error, true
FROM again;
ANALYZE drawn; ANALYZE tries;

-- how each provider did in each job
CREATE TEMP TABLE answers ON COMMIT DROP AS
SELECT job_id, provider, CAST(NULL AS text) AS error, count(*) AS tried,
    count(*) FILTER (WHERE error IS NULL) AS uploaded,
    coalesce(jsonb_object_agg(error, images) FILTER (WHERE error IS NOT NULL), '{}') AS failures
FROM (
    SELECT job_id, provider, error, count(*) OVER (PARTITION BY job_id, provider, error) AS images FROM tries
) AS counted GROUP BY job_id, provider
UNION ALL
-- providers that had nothing, and those that could not answer
SELECT id, (:providers)[1 + (venue_id + 1 + other * 2) % 6],
    CASE WHEN shape <> 'none'
         THEN pg_temp.one_of('{auth_error,rate_limited,server_error}', id, 30 + other) END,
    0, 0, '{}'
FROM drawn CROSS JOIN generate_series(0, 1) AS other
WHERE shape IN ('none', 'error') OR (shape = 'images' AND other = 0 AND pg_temp.draw(id, 32) < 0.04);
INSERT INTO job_providers (job_id, provider, status, error_type, reason, images_fetched, images_uploaded,
                           images_failed, calls, cost_usd, duration_ms, failures)
SELECT job_id, provider,
    CASE WHEN error IS NOT NULL THEN 'failed' WHEN tried = 0 THEN 'no_images' ELSE 'success'
    END::provider_status, error::error_type, error, tried, uploaded, tried - uploaded, tried + 1,
    tried * CASE WHEN provider = 'google_places' THEN 0.007 ELSE 0.002 END,
    100 + floor(pg_temp.draw(job_id, 33) * 3000), failures
FROM answers ORDER BY job_id;

-- what the tries and answers of each job add up to
CREATE TEMP TABLE ends ON COMMIT DROP AS
SELECT job_id, count(*) AS tried, count(*) FILTER (WHERE error IS NULL) AS uploaded,
    array_agg(DISTINCT error) FILTER (WHERE error IS NOT NULL) AS errors,
    (array_agg(error ORDER BY at) FILTER (WHERE error IS NOT NULL))[1] AS first_error,
    count(*) FILTER (WHERE number = 1) AS firsts,
    count(*) FILTER (WHERE number = 1 AND error IS NULL) AS firsts_uploaded,
    count(*) FILTER (WHERE number = 1 AND error_now IS NULL) AS firsts_stored,
    count(*) FILTER (WHERE is_latest AND error IS NOT NULL) AS failed_now,
    count(*) FILTER (WHERE is_latest AND error = ANY(:transient)) AS retryable_now
FROM tries GROUP BY job_id;
CREATE TEMP TABLE asked ON COMMIT DROP AS
SELECT job_id, array_agg(DISTINCT provider ORDER BY provider) AS providers, count(error) AS failed,
    array_agg(DISTINCT error) FILTER (WHERE error IS NOT NULL) AS errors,
    (array_agg(error ORDER BY provider) FILTER (WHERE error IS NOT NULL))[1] AS first_error,
    sum(tried * CASE WHEN provider = 'google_places' THEN 0.007 ELSE 0.002 END) AS cost
FROM answers GROUP BY job_id;
INSERT INTO jobs (id, kind, state, status, venue_id, city_id, actor, args, meta, errors, attempt,
    images_discovered, images_uploaded, images_failed, cost_usd, inserted_at, scheduled_at, attempted_at,
    finished_at, summary, providers, error_types, first_error, providers_failed, images_existing,
    images_first_tried, images_first_uploaded, images_first_stored, images_failed_now, images_retryable_now)
SELECT id, kind::job_kind, CASE WHEN broken THEN shape ELSE 'completed' END::job_state,
    status::job_status, venue_id, city_id, 'benchmark',
    CASE WHEN venue_id IS NULL THEN '{}' ELSE jsonb_build_object('venue_id', venue_id) END,
    CASE WHEN broken THEN '{}' ELSE jsonb_build_object('summary', words, 'status', status,
        'images_existing', existing, 'images_discovered', tried + existing, 'total_cost_usd', cost) END,
    CASE WHEN broken THEN jsonb_build_array(jsonb_build_object('attempt', 1, 'error', words)) ELSE '[]' END,
    1, tried + existing, uploaded, tried - uploaded, cost, finished_at - interval '40 s',
    finished_at - interval '40 s', finished_at - make_interval(secs => 1 + pg_temp.draw(id, 34) * 20),
    finished_at, words, providers, errors, first_error::error_type, providers_failed, existing,
    firsts, firsts_uploaded, firsts_stored, failed_now, retryable_now
FROM (
    SELECT *, CASE WHEN broken THEN 'worker gave up on job ' || id
        WHEN status = 'no_images' THEN 'No images found - venue has no available photos'
        WHEN status = 'error' THEN 'Failed - ' || array_to_string(providers, ', ') || ' encountered errors'
        WHEN status = 'skipped' THEN 'Skipped - nothing to do'
        WHEN shape = 'plain' THEN initcap(kind) || ' done'
        ELSE 'Found ' || tried + existing || ' images from ' || array_to_string(providers, ', ') || ', '
            || uploaded || ' uploaded' END AS words
    FROM (
        SELECT drawn.*, shape IN ('discarded', 'cancelled') AS broken,
            CASE WHEN shape IN ('discarded', 'cancelled') THEN NULL WHEN shape = 'plain' THEN 'success'
                 WHEN shape = 'skipped' OR (shape = 'retry' AND tried IS NULL) THEN 'skipped'
                 WHEN shape = 'none' THEN 'no_images' WHEN shape = 'error' THEN 'error'
                 WHEN uploaded + seen = 0 THEN 'failed'
                 WHEN uploaded < tried OR asked.failed > 0 THEN 'partial' ELSE 'success' END AS status,
            coalesce(asked.failed, 0) AS providers_failed, coalesce(providers, '{}') AS providers,
            ARRAY(SELECT DISTINCT unnest(coalesce(ends.errors, '{}') || coalesce(asked.errors, '{}'))
                  ORDER BY 1) AS errors,
            coalesce(ends.first_error, asked.first_error) AS first_error, coalesce(cost, 0) AS cost,
            coalesce(tried, 0) AS tried, coalesce(uploaded, 0) AS uploaded,
            coalesce(firsts, 0) AS firsts, coalesce(firsts_uploaded, 0) AS firsts_uploaded,
            coalesce(firsts_stored, 0) AS firsts_stored, coalesce(failed_now, 0) AS failed_now,
            coalesce(retryable_now, 0) AS retryable_now
        FROM (SELECT id, kind, finished_at, shape, venue_id, city_id,
                     CASE WHEN shape = 'images' THEN existing ELSE 0 END AS seen,
                     CASE WHEN shape = 'images' THEN existing ELSE 0 END AS existing FROM drawn) AS drawn
        LEFT JOIN ends ON ends.job_id = drawn.id LEFT JOIN asked ON asked.job_id = drawn.id
    ) AS counted
) AS told ORDER BY id;

INSERT INTO images (id, venue_id, provider, provider_ref, source_url, state, error_type, status_code, detail,
    retry_count, tries, position, width, height, quality_score, attribution, storage_key, url, thumbnail_key,
    thumbnail_url, content_type, bytes, failed_job, created_at, last_attempt_at, uploaded_at)
SELECT image_id, venue_id, provider, 'photo-' || image_id,
    'https://photos.example.org/' || image_id || '.jpg',
    CASE WHEN stored THEN 'uploaded' ELSE 'failed' END::image_state, error::error_type,
    CASE WHEN error = 'not_found' THEN 404 END, CASE WHEN NOT stored THEN 'The other side said so.' END,
    number - 1, number, position, 1600, 1067, 0.3 + pg_temp.draw(image_id, 40) * 0.7,
    'Photographer ' || image_id % 1000, CASE WHEN stored THEN key || '.jpg' END,
    CASE WHEN stored THEN '/admin/venue-images/media/' || key || '.jpg' END,
    CASE WHEN stored THEN key || '-thumb.jpg' END,
    CASE WHEN stored THEN '/admin/venue-images/media/' || key || '-thumb.jpg' END,
    CASE WHEN stored THEN 'image/jpeg' END, CASE WHEN stored THEN 250000 END,
    CASE WHEN NOT stored THEN job_id END, at, at, CASE WHEN stored THEN at END
FROM (SELECT *, error IS NULL AS stored, 'venues/' || venue_id || '/photo-' || image_id AS key
      FROM tries WHERE is_latest AND image_id / 16 > :without_images ORDER BY image_id) AS latest;
INSERT INTO attempts (started_at, finished_at, image_id, job_id, provider, number, outcome, error_type,
                      status_code, bytes, calls, cost_usd, worker)
SELECT at - interval '400 ms', at, image_id, job_id, provider, number,
    CASE WHEN error IS NULL THEN 'uploaded' ELSE 'failed' END::attempt_outcome, error::error_type,
    CASE WHEN error IS NULL THEN 200 WHEN error = 'not_found' THEN 404 END,
    CASE WHEN error IS NULL THEN 250000 END, 1,
    CASE WHEN provider = 'google_places' THEN 0.007 ELSE 0.002 END, 'worker@benchmark'
FROM tries WHERE image_id / 16 > :without_images ORDER BY at;
UPDATE venues SET uploaded_images = stored.images
FROM (SELECT venue_id, count(*) AS images FROM tries WHERE is_latest AND error IS NULL GROUP BY 1) AS stored
WHERE venues.id = stored.venue_id;

-- the sums that jobs and tries keep, in the order of time as they would be written
INSERT INTO job_rollups
SELECT facet, value, date_trunc('hour', finished_at, 'UTC') AS hour, kind, outcome, count(*),
    sum(images_discovered), sum(images_uploaded), sum(images_failed), sum(images_failed_now),
    sum(images_retryable_now), sum(images_first_tried), sum(images_first_uploaded),
    sum(images_first_stored), sum(cost_usd)
FROM (
    SELECT 'all' AS facet, '' AS value, * FROM jobs
    UNION ALL SELECT 'city', city_id::text, * FROM jobs WHERE city_id > 0
    UNION ALL SELECT 'provider', word, jobs.* FROM jobs CROSS JOIN unnest(providers) AS word
    UNION ALL SELECT 'error_type', word, jobs.* FROM jobs CROSS JOIN unnest(error_types) AS word
) AS counted
GROUP BY facet, value, hour, kind, outcome ORDER BY hour;
INSERT INTO rollups
SELECT date_trunc('hour', at, 'UTC'), provider, coalesce(error, ''), city_id, count(*),
    count(*) FILTER (WHERE number = 1), sum(CASE WHEN error IS NULL THEN 250000 ELSE 0 END), count(*) * 400,
    sum(CASE WHEN provider = 'google_places' THEN 0.007 ELSE 0.002 END)
FROM tries GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT setval(pg_get_serial_sequence(name, 'id'), 16 * (SELECT max(id) FROM jobs) + 16)
FROM unnest('{jobs,images,venues,cities}'::text[]) AS name;
