"""What Pillow and transformers make of pictures drawn by this program: tests/golden/vision/

    .env/reference/bin/python tools/golden/vision.py

pictures/         small files of every kind that is read
pictures.safetensors    the bytes of Image.open(file).convert("RGB")
processors.json         settings of image processors, and which pictures they were given
processors.safetensors  what transformers' classes make of them, with Pillow and with torchvision
"""

import io
import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers.models.clip.image_processing_clip import CLIPImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_llava import LlavaImageProcessor
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/golden/vision"
PICTURES = OUT / "pictures"
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def scene(height, width, channels, seed):
    """A gradient, two shapes and noise, uint8."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width]
    layers = [(255 * (x * (c + 1) + y * (3 - c)) / (width * 3 + height * 3)) for c in range(channels)]
    picture = np.stack(layers, -1)
    picture[(x - width / 3) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 4) ** 2] = 250 - 40 * np.arange(channels)
    picture[(x > width * 0.6) & (y > height * 0.5)] = 30 * np.arange(channels)
    return np.clip(picture + random.randint(-20, 20, picture.shape), 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rows(samples, bits):
    """Filterless scanlines of [height, width, channels]."""
    if bits == 16:
        return b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    if bits == 8:
        return b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in samples)
    lines = []
    for row in samples[:, :, 0]:
        flags = (row[:, None] >> np.arange(bits)[::-1]) & 1
        lines.append(b"\0" + np.packbits(flags.ravel().astype(np.uint8)).tobytes())
    return b"".join(lines)


def png(samples, bits, colour, extra=b"", interlaced=False):
    """A PNG by hand: Pillow does not write all that it reads."""
    height, width = samples.shape[:2]
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [samples]
    data = b"".join(rows(part, bits) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data, 9))
            + chunk(b"IEND", b""))


def wide(samples):
    """16 bits, the lower ones not those of the upper."""
    return samples.astype(np.uint16) * 257 ^ 0x5A


def pngs():
    colour, grey = scene(13, 19, 3, 1), scene(13, 19, 1, 2)
    with_alpha = np.concatenate([colour, scene(13, 19, 1, 3)], -1)
    grey_alpha = np.concatenate([grey, scene(13, 19, 1, 3)], -1)
    palette = chunk(b"PLTE", bytes(scene(1, 256, 3, 4).ravel()))
    short = chunk(b"PLTE", bytes([10, 20, 30, 200, 100, 50, 7, 77, 177]))
    gamma = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sRGB", b"\0")
    yield "rgb", png(colour, 8, 2)
    yield "rgb-gamma", png(colour, 8, 2, gamma)
    yield "rgb-key", png(colour, 8, 2, chunk(b"tRNS", struct.pack(">3H", *colour[0, 0])))
    yield "rgb-interlaced", png(colour, 8, 2, interlaced=True)
    yield "rgb-16", png(wide(colour), 16, 2)
    yield "rgba", png(with_alpha, 8, 6)
    yield "rgba-16", png(wide(with_alpha), 16, 6)
    yield "rgba-interlaced", png(with_alpha, 8, 6, interlaced=True)
    yield "grey", png(grey, 8, 0)
    yield "grey-key", png(grey, 8, 0, chunk(b"tRNS", struct.pack(">H", int(grey[0, 0, 0]))))
    yield "grey-alpha", png(grey_alpha, 8, 4)
    yield "grey-alpha-16", png(wide(grey_alpha), 16, 4)
    yield "grey-16", png((grey.astype(np.uint16) * 3), 16, 0)
    yield "grey-16-interlaced", png((grey.astype(np.uint16) * 3), 16, 0, interlaced=True)
    for bits in (1, 2, 4):
        yield f"grey-{bits}", png(grey >> (8 - bits), bits, 0)
        yield f"palette-{bits}", png(grey >> (8 - bits), bits, 3, short)
    yield "grey-1-interlaced", png(grey >> 7, 1, 0, interlaced=True)
    yield "palette", png(grey, 8, 3, palette)
    yield "palette-alpha", png(grey, 8, 3, palette + chunk(b"tRNS", bytes(range(0, 256, 3))))
    yield "one-pixel", png(colour[:1, :1], 8, 2)


def jpeg(samples, mode="RGB", **options):
    out = io.BytesIO()
    Image.fromarray(samples.squeeze(), mode).save(out, "JPEG", **options)
    return out.getvalue()


def jpegs():
    colour, grey = scene(21, 35, 3, 5), scene(21, 35, 1, 6)
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "420", jpeg(colour, quality=80, subsampling="4:2:0")
    yield "422", jpeg(colour, quality=80, subsampling="4:2:2")
    yield "444", jpeg(colour, quality=95, subsampling="4:4:4")
    yield "progressive", jpeg(colour, quality=80, progressive=True)
    yield "restarts", jpeg(colour, quality=60, restart_marker_rows=1)
    yield "kept-rgb", jpeg(colour, quality=90, keep_rgb=True)
    yield "turned", jpeg(colour, quality=60, exif=turned)
    yield "jpeg-grey", jpeg(grey, "L", quality=70)
    yield "grey-progressive", jpeg(grey, "L", quality=70, progressive=True)
    yield "cmyk", jpeg(scene(21, 35, 4, 7), "CMYK", quality=90)
    yield "cmyk-progressive", jpeg(scene(21, 35, 4, 7), "CMYK", quality=70, progressive=True)


def for_processors():
    for name, (height, width) in {"wide": (20, 47), "tall": (61, 22), "square": (40, 40), "exact": (14, 14),
                                  "tiny": (5, 7), "strip": (4, 90)}.items():
        yield name, png(scene(height, width, 3, 8), 8, 2)


def write_pictures():
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    for ending, files in {"png": [*pngs(), *for_processors()], "jpg": jpegs()}.items():
        for name, data in files:
            (PICTURES / f"{name}.{ending}").write_bytes(data)
    expected = {file.name: torch.from_numpy(np.array(Image.open(file).convert("RGB"))).contiguous()
                for file in sorted(PICTURES.iterdir())}
    save_file(expected, OUT / "pictures.safetensors", {"pillow": Image.__version__})
    print("pictures:", len(expected))


BYTES = dict(do_rescale=False, do_normalize=False)
CASES = {
    "clip": (CLIPImageProcessor, dict(size={"shortest_edge": 14}, crop_size={"height": 14, "width": 14})),
    "padded": (LlavaImageProcessor, dict(do_pad=True, size={"shortest_edge": 14}, crop_size=14)),
    "padded-back": (LlavaImageProcessor, dict(do_pad=True, image_mean=[0.1, 0.9, 0.4], size=13, crop_size=13, **BYTES)),
    "bilinear": (CLIPImageProcessor, dict(size={"height": 10, "width": 18}, resample=2, do_center_crop=False)),
    "small": (CLIPImageProcessor, dict(size=9, crop_size={"height": 17, "width": 12}, do_normalize=False)),
    "unsized": (LlavaImageProcessor, dict(do_resize=False, crop_size=[8, 11])),
    "one-mean": (CLIPImageProcessor, dict(size={"shortest_edge": 7}, crop_size=7, image_mean=0.5, image_std=0.25,
                                          rescale_factor=1 / 127.5)),
    "unscaled": (CLIPImageProcessor, dict(size={"shortest_edge": 7}, crop_size=7, do_rescale=False)),
    **{f"bytes-{n}": (CLIPImageProcessor, dict(size={"shortest_edge": 11}, crop_size={"height": 11, "width": 11}, resample=n,
                                               **BYTES)) for n in (1, 2, 3, 4, 5)},
    "up": (CLIPImageProcessor, dict(size={"height": 30, "width": 25}, do_center_crop=False, **BYTES)),
}
WITH_PILLOW = {CLIPImageProcessor: CLIPImageProcessorPil, LlavaImageProcessor: LlavaImageProcessorPil}
FILES = [f"{name}.png" for name, _ in for_processors()]


def process(processor, file):
    return processor(Image.open(file).convert("RGB"), return_tensors="pt")["pixel_values"].float()


def write_processors():
    cases, expected = {}, {}
    for name, (kind, settings) in CASES.items():
        cases[name] = {"image_processor_type": kind.__name__, **settings}
        files = ["wide.png", "tiny.png"] if name == "up" else FILES
        for file in files:
            expected[f"{name}/{file}"] = process(WITH_PILLOW[kind](**settings), PICTURES / file)
            # Torchvision has one filter less, and rounds differently.
            if name.startswith("bytes-") and settings["resample"] in (2, 3):
                expected[f"torchvision {name}/{file}"] = process(kind(**settings), PICTURES / file)
    defaults = {kind.__name__: kind().to_dict() for kind in WITH_PILLOW.values()}
    versions = {"transformers": transformers.__version__, "pillow": Image.__version__}
    (OUT / "processors.json").write_text(json.dumps({**versions, "cases": cases, "defaults": defaults}, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in expected.items()}, OUT / "processors.safetensors", versions)
    print("processors:", len(expected))


def main():
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    write_pictures()
    write_processors()


if __name__ == "__main__":
    main()
