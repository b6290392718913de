#!/usr/bin/env python3
"""Reports in headless Chromium: nothing is loaded, the console is silent, every figure is drawn, nothing is wider than a
phone, light and dark differ, and paper gets a PDF. `--keep FOLDER` keeps screenshots."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from chromium import Browser, find_chromium  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOP = pathlib.Path(os.environ.get("MOP_BUILD", ROOT / "build")) / "src" / "mop"
MODEL, TEXT = ROOT / "assets" / "tinystories-12l", ROOT / "assets" / "text" / "generated-calibration.txt"

FIGURES = """[...document.querySelectorAll('figure')].map(f => {
  const svg = f.querySelector('svg'), table = f.querySelector('table');
  const marks = svg ? svg.querySelectorAll('path,rect,circle').length : 0;
  const box = svg ? svg.getBoundingClientRect() : null;
  return {title: f.querySelector('figcaption').textContent, svg: !!svg, marks, width: box ? box.width : 0,
          height: box ? box.height : 0, rows: table ? table.querySelectorAll('tbody tr').length : 0};
})"""
# Texts of drawings that lie outside of the window.
OUTSIDE = """[...document.querySelectorAll('svg text')].filter(t => {
  const b = t.getBoundingClientRect();
  return b.right > document.documentElement.clientWidth + 1 || b.left < -1;
}).map(t => t.textContent)"""


def mop(*words):
    result = subprocess.run([MOP, *map(str, words)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"mop {' '.join(map(str, words))} fails:\n{result.stderr}")


def make_pages(folder):
    """{file: titles of figures that must be there}."""
    common = ["--calibration", TEXT, "--samples", 16, "--max-tokens", 48]
    mop("prune", MODEL, "--out", folder / "mix", "--iterations", 4, "--select", "perplexity", *common)
    mop("prune", MODEL, "--out", folder / "halves", "--remove", 0.4, "--set", "damage.halves=true", *common)
    mop("prune", MODEL, "--out", folder / "channels", "--remove", 0.2, "--set", "branches=[hidden]", "--select", "path:C",
        "--set", "hidden.channel_multiple=4", *common)
    mop("prune", MODEL, "--out", folder / "fast", "--target", "latency", "--remove", 0.1, *common)
    mop("recover", folder / "mix", "--out", folder / "trained", "--data", TEXT, "--tokens", 3000, "--max-tokens", 32,
        "--set", "accumulate=4", "--set", "learning_rate=[1e-3,3e-3]", "--method", "full")
    names = ["mix", "halves", "trained"]
    mop("report", *(folder / name for name in names), "--out", folder / "all.html")
    mop("bench", folder / "mix", "--vs", MODEL, "--generate", 4, "--repeat", 2, "--report", folder / "bench.html")
    pages = {folder / name / "run" / "report.html": ["Attention: KV groups", "MLP: neurons"] for name in names}
    pages[folder / "mix" / "run" / "report.html"] += ["Candidates of every step", "Size after every step"]
    pages[folder / "halves" / "run" / "report.html"] += ["Step 1: neurons by predicted damage"]
    pages[folder / "trained" / "run" / "report.html"] += ["Training"]
    for name, titles in (("channels", ["Residual stream: hidden channels"]), ("fast", ["Time by KV groups", "Time by neurons"])):
        pages[folder / name / "run" / "report.html"] = titles
    pages[folder / "all.html"] = ["Perplexity against parameters, tinystories-12l", "All runs", "Training"]
    pages[folder / "bench.html"] = ["Relative to the other model", "Times and memory"]
    return pages


def check(browser, file, titles, keep):
    faults, colours = [], set()
    name = f"{file.parent.parent.name}-{file.stem}"
    for width in (390, 1200):
        for dark in (False, True):
            where = f"{name} at {width} px{', dark' if dark else ''}"
            browser.open(file, width, dark)
            faults += [f"{where}: console: {text}" for text in browser.complaints]
            faults += [f"{where}: loads {url}" for url in browser.requests if not url.endswith(file.name)]
            wide = browser.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                faults.append(f"{where}: the page is {wide} px wide")
            faults += [f"{where}: outside of the window: {text}" for text in browser.evaluate(OUTSIDE)]
            figures = browser.evaluate(FIGURES)
            for figure in figures:
                if figure["rows"] == 0:
                    faults.append(f"{where}: no table behind {figure['title']}")
                if figure["svg"] and (figure["marks"] < 2 or figure["width"] < 300 or figure["height"] < 60):
                    faults.append(f"{where}: {figure['title']} is empty: {figure}")
            missing = set(titles) - {figure["title"] for figure in figures}
            if missing:
                faults.append(f"{where}: no figure {sorted(missing)}")
            colours.add((dark, browser.evaluate("getComputedStyle(document.body).backgroundColor")))
            if keep:
                browser.open(file, width, dark, min(4000, browser.evaluate("document.documentElement.scrollHeight")))
                browser.screenshot(keep / f"{name}-{width}{'-dark' if dark else ''}.png")
    if len({colour for _, colour in colours}) != 2:
        faults.append(f"{name}: light and dark have the colours {colours}")
    pdf = browser.pdf()
    if not pdf.startswith(b"%PDF") or len(pdf) < 5000:
        faults.append(f"{name}: prints {len(pdf)} bytes")
    if keep:
        (keep / f"{name}.pdf").write_bytes(pdf)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=pathlib.Path)
    keep = parser.parse_args().keep
    program = find_chromium()
    if program is None:
        print("skipped: there is no Chromium here (apt-get install chromium)")
        return
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pages = make_pages(pathlib.Path(folder))
        browser = Browser(program)
        try:
            faults = [fault for file, titles in pages.items() for fault in check(browser, file, titles, keep)]
        finally:
            browser.close()
    print("\n".join(faults) or f"{len(pages)} pages, light and dark, on a phone, a desk and paper")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
