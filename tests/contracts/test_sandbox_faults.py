"""The sandbox fails in every way on purpose, recovers, and counts what it did, over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading

import pytest

from ops_core.sandbox.faults import STATUS, Fault
from tests.support.sandbox import SandboxProcess
from tests.support.sandbox_world import (
    AGENT,
    COMMONS,
    ENTITY,
    GOOGLE,
    IMAGE,
    IMAGE_KEY,
    MASK,
    PLACE,
    REFS,
    WIKIDATA,
    image,
)


def test_each_fault_with_a_status_answers_that_status(sandbox: SandboxProcess) -> None:
    for fault in sorted(set(STATUS) - {Fault.STALE_REFERENCE}):
        sandbox.set_faults(script={IMAGE_KEY: [fault]})
        answer = sandbox.get(IMAGE)
        assert answer.status == STATUS[fault]
        assert ("retry-after" in answer.headers) == (answer.status in (429, 503))
    assert sandbox.counts()["keys"][IMAGE_KEY]["successes"] == 0


@pytest.mark.parametrize(
    ("fault", "content_type", "start"),
    [
        ("html", "text/html", b"<!doctype html>"),
        ("svg", "image/svg+xml", b"<svg "),
        ("wrong_type", "image/jpeg", b"%PDF-"),
        ("empty", "image/jpeg", b""),
        ("cut_jpeg", "image/jpeg", b"\xff\xd8\xff"),
    ],
)
def test_a_wrong_body_comes_with_status_200(
    sandbox: SandboxProcess, fault: str, content_type: str, start: bytes
) -> None:
    whole = sandbox.get(IMAGE).body
    sandbox.set_faults(script={IMAGE_KEY: [fault]})
    answer = sandbox.get(IMAGE)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(content_type)
    assert answer.body.startswith(start)
    assert len(answer.body) == int(answer.headers["content-length"]) != len(whole)
    if fault == "empty":
        assert answer.body == b""
    if fault == "cut_jpeg":
        assert whole.startswith(answer.body)


def test_a_truncated_body_ends_before_its_content_length(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(script={IMAGE_KEY: ["truncated"]})
    with pytest.raises(http.client.IncompleteRead) as caught:
        sandbox.get(IMAGE)
    assert len(caught.value.partial) > 100
    assert sandbox.outcomes(IMAGE_KEY) == {"truncated": 1}


def test_a_reset_is_a_real_tcp_reset_in_the_middle(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(script={IMAGE_KEY: ["reset"]})
    with pytest.raises(ConnectionResetError):
        sandbox.get(IMAGE)
    assert sandbox.outcomes(IMAGE_KEY) == {"reset": 1}


def test_a_stall_outlasts_an_impatient_client_before_or_within_the_body(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(rates={"timeout": 1.0}, stall_seconds=60)
    began = set()
    for ref in REFS[:8]:
        with socket.create_connection(("127.0.0.1", sandbox.port), timeout=0.3) as line:
            line.sendall(f"GET {image(ref)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            received = b""
            with contextlib.suppress(TimeoutError):
                while block := line.recv(65536):
                    received += block
                pytest.fail("the reply ended, but it should stall")
            began.add(bool(received))
        assert sandbox.outcomes(f"image:google_places:{ref}") == {"timeout": 1}
    assert began == {True, False}


def test_an_oversize_body_streams_until_the_client_leaves(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(rates={"oversize": 1.0})
    declared = set()
    for ref in REFS[:8]:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
        connection.request("GET", image(ref))
        reply = connection.getresponse()
        declared.add(reply.getheader("Content-Length") is not None)
        assert len(reply.read(3_000_000)) == 3_000_000
        reply.close()
        connection.close()
        assert sandbox.outcomes(f"image:google_places:{ref}") == {"oversize": 1}
    assert declared == {True, False}


def test_a_photo_recovers_after_the_tries_ordered(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(rates={"bad_gateway": 1.0}, recover_tries=2)
    assert [sandbox.get(IMAGE).status for _ in range(4)] == [502, 502, 200, 200]


def test_listings_fail_at_their_own_rates(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(listing_rates={"server_error": 1.0}, recover_tries=1)
    assert [sandbox.get(GOOGLE + PLACE, MASK).status for _ in range(2)] == [500, 200]
    assert [sandbox.get(f"{WIKIDATA}entity={ENTITY}", AGENT).status for _ in range(2)] == [500, 200]
    assert sandbox.get(IMAGE).status == 200


def test_the_category_of_an_entity_shares_the_entitys_fate(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(listing_rates={"server_error": 1.0}, recover_tries=1)
    members = f"{COMMONS}generator=categorymembers&gcmtitle=Category:"
    assert sandbox.get(f"{members}Sandbox%20{ENTITY}", AGENT).status == 200
    assert sandbox.get(f"{members}Paris", AGENT).status == 500


def test_an_outage_takes_down_all_hosts_of_one_provider_only(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(outages={"google_places": 503})
    assert [sandbox.get(GOOGLE + PLACE, MASK).status, sandbox.get(IMAGE).status] == [503, 503]
    assert sandbox.get(f"{WIKIDATA}entity={ENTITY}", AGENT).status == 200
    sandbox.set_faults(outages={})
    assert sandbox.get(IMAGE).status == 200


def test_a_client_that_leaves_early_is_no_success(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(delay=1.0)
    with pytest.raises(TimeoutError):
        sandbox.get(IMAGE, timeout=0.1)
    assert sandbox.outcomes(IMAGE_KEY) == {"client_gone": 1}
    assert sandbox.counts()["totals"]["successes"] == 0


def test_with_many_clients_and_a_mix_of_faults_the_counts_agree(sandbox: SandboxProcess) -> None:
    mix = {fault: 0.04 for fault in Fault if fault is not Fault.OVERSIZE}
    sandbox.set_faults(rates=mix, stall_seconds=0.05)
    good: list[str] = []

    def fetch(some: list[str]) -> None:
        for ref in some:
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer = sandbox.get(image(ref))
                if answer.body.startswith((b"\xff\xd8", b"\x89PNG", b"RIFF")):
                    good.append(ref)

    threads = [threading.Thread(target=fetch, args=(REFS[part::4],)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    totals = sandbox.counts()["totals"]
    assert totals["requests"] == sum(totals["outcomes"].values()) == len(REFS)
    assert len(totals["outcomes"]) > 6
    assert (
        totals["successes"] == totals["outcomes"]["ok"] == len(good) - totals["outcomes"].get("cut_jpeg", 0)
    )
