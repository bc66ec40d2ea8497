"""Pictures that are no photos: plain ones, gradients, and cards as providers draw them."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont


def plain(colour: str = "white", width: int = 640, height: int = 480) -> Image.Image:
    """One colour."""
    return Image.new("RGB", (width, height), colour)


def gradient(begin: int = 0, end: int = 255, *, sideways: bool = False) -> Image.Image:
    """A gradient from one shade of gray to another, from top to bottom or from side to side."""
    ramp = Image.linear_gradient("L").point([begin + (end - begin) * shade // 255 for shade in range(256)])
    return (ramp.rotate(90) if sideways else ramp).resize((640, 480)).convert("RGB")


def card(words: str = "No image available", ground: str = "#eeeeee", ink: str = "#999999") -> Image.Image:
    """A camera in a frame over some words."""
    width, height = 600, 400
    picture = Image.new("RGB", (width, height), ground)
    brush = ImageDraw.Draw(picture)
    brush.rounded_rectangle((210, 100, 390, 220), 8, outline=ink, width=6)
    brush.ellipse((270, 128, 330, 192), outline=ink, width=6)
    brush.text((width / 2, 280), words, fill=ink, font=ImageFont.load_default(size=40), anchor="mm")
    return picture
