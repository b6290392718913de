#!/usr/bin/env python3
"""check_templates.py FOLDER... -- renders a set of conversations through every *.jinja in the folders, with the
program and with transformers, and reports differences. Needs .env/reference and `ninja -C build mop_render_chats`.
    .env/reference/bin/python tools/check_templates.py FOLDER [--program build/tools/mop_render_chats] [--verbose]
Exit code 1 when a text differs, or when the program rejects what transformers renders."""

import argparse
import difflib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

os.environ.setdefault("SOURCE_DATE_EPOCH", "1750000000")  # a Sunday in June: strftime_now tells it
os.environ["TZ"] = "UTC"

import transformers.utils.chat_template_utils as chat_utils  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOW = int(os.environ["SOURCE_DATE_EPOCH"])


class FixedTime(chat_utils.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, tz)


chat_utils.datetime = FixedTime


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(name, arguments, number=0):
    return {"id": f"call0000{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "Tells the weather, e.g. \"sunny\".", "parameters": {
            "type": "object", "required": ["city"], "properties": {
                "city": {"type": "string", "description": "Where <it> is"},
                "days": {"type": ["integer", "null"], "default": 1, "minimum": 0.5},
                "unit": {"type": "string", "enum": ["C", "F"]},
                "at": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "number"}}}}}},
        "return": {"type": "string", "description": "The weather"}}},
    {"type": "function", "function": {"name": "stop", "description": "Ends it.", "parameters": {
        "type": "object", "properties": {}}}},
]
SYSTEM = {"role": "system", "content": "You are kind.\n"}
USES_TOOLS = [user("Weather in Rome?"), assistant("", tool_calls=[call("get_weather", {"city": "Rome", "days": 2})]),
              {"role": "tool", "name": "get_weather", "tool_call_id": "call00000", "content": "sunny, 20\u00b0C"}]
# name: (messages, tools)
CHATS = {
    "one question": ([user("Hello there")], None),
    "system": ([SYSTEM, user("  Hi \u00e9\u4f60 ")], None),
    "two turns": ([user("Hi"), assistant("Hello!"), user("Bye"), assistant("  See you.\n")], None),
    "system, three turns": ([SYSTEM, user("a"), assistant("b"), user("c"), assistant("d"), user("e")], None),
    "thinking in the text": ([user("2+2?"), assistant("<think>\nEasy.\n</think>\n\n4"), user("3+3?"),
                              assistant("<think>\nhm\n</think>\n\n6")], None),
    "thinking apart": ([user("2+2?"), assistant("4", reasoning_content="Easy."), user("3+3?"),
                        assistant("6", reasoning_content="hm")], None),
    "tools, not used": ([SYSTEM, user("Weather?")], TOOLS),
    "tools": (USES_TOOLS + [assistant("Sunny."), user("Thanks")], TOOLS),
    "tools, call is last": ([SYSTEM] + USES_TOOLS[:2], TOOLS),
    "tools, result is last": (USES_TOOLS, TOOLS),
    "two calls at once": ([user("Both?"), assistant("Let me see.", tool_calls=[
        call("get_weather", {"city": "Rome", "at": [{"x": 1.5}], "ok": True}),
        call("stop", {}, 1)]),
        {"role": "tool", "name": "get_weather", "tool_call_id": "call00000", "content": "{\"t\": 20}"},
        {"role": "tool", "name": "stop", "tool_call_id": "call00001", "content": "done"}, assistant("OK")], TOOLS),
    "arguments as a text": ([user("Rome?"), assistant(None, tool_calls=[call("get_weather", "{\"city\": \"Rome\"}")]),
                             {"role": "tool", "name": "get_weather", "tool_call_id": "call00000", "content": "x"}], TOOLS),
    "parts": ([{"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "text", "text": "here"}]},
               assistant([{"type": "text", "text": "Yes"}]), user("ok")], None),
    "developer": ([{"role": "developer", "content": "Be brief."}, user("Hi")], None),
}


def conversations():
    return [{"name": f"{name}{', asked' if ask else ''}", "messages": messages, "tools": tools, "ask": ask}
            for name, (messages, tools) in CHATS.items() for ask in (False, True)]


def expected(template, chat):
    """Returns the output of apply_chat_template for a tokenizer with <s> and </s>; None when the template rejects the
    conversation."""
    messages = [{k: v for k, v in message.items() if v is not None} for message in chat["messages"]]
    try:
        texts, marks = chat_utils.render_jinja_template(
            [messages], tools=chat["tools"], chat_template=template, add_generation_prompt=chat["ask"],
            return_assistant_tokens_mask=True, bos_token="<s>", eos_token="</s>")
        return texts[0], marks[0]
    except Exception as e:
        return None, f"{type(e).__name__}: {e}"


def run(program, chats, files):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as chats_file:
        json.dump(chats, chats_file)
        chats_file.flush()
        return json.loads(subprocess.run([program, chats_file.name, *files], check=True, stdout=subprocess.PIPE).stdout)


def check_turns(program, chats, files, verbose):
    """Removes the `generation` marks of templates that have them and checks whether the program finds the assistant's
    turns without them. A template may mark less (not the line end after a turn) or more; the number of lost turns
    counts."""
    chats = [chat for chat in chats if not chat["ask"]]
    counts = {"turns": 0, "lost": 0, "as marked": 0, "as marked but for white space": 0, "otherwise": 0}
    with tempfile.TemporaryDirectory() as folder:
        copies = []
        for file in files:
            copies.append(pathlib.Path(folder) / file.name)
            copies[-1].write_text(re.sub(r"(\{%[-+]?)\s*(end)?generation\s*([-+]?%\})", r"\1 \2if true \3", file.read_text())
                                  .replace("endif true", "endif"))
        unmarked, marked = run(program, chats, copies), run(program, chats, files)
    for copy, file in zip(copies, files):
        if isinstance(unmarked[str(copy)], dict):
            continue
        for found, truth, chat in zip(unmarked[str(copy)], marked[str(file)], chats):
            if "text" not in found or "text" not in truth:
                continue
            counts["turns"] += len(found["learned"]) + found["lost"]
            counts["lost"] += found["lost"]
            if found["lost"] and verbose:
                print(f"{file.name}: {chat['name']}: {found['lost']} turns lost")
            if not truth["generated"]:
                continue
            data = found["text"].encode()
            mine, theirs = ([data[a:b].decode() for a, b in ranges] for ranges in (found["learned"], truth["generated"]))
            if mine == theirs:
                counts["as marked"] += len(mine)
            elif [t.strip() for t in mine] == [t.strip() for t in theirs]:
                counts["as marked but for white space"] += len(mine)
            else:
                counts["otherwise"] += len(mine)
                if verbose:
                    print(f"{file.name}: {chat['name']}:\n    found  {mine}\n    marked {theirs}")
    print(f"the assistant's turns, found without marks: {counts}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--program", default=ROOT / "build/tools/mop_render_chats")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    files = sorted(file for folder in options.folders for file in folder.rglob("*.jinja"))
    chats = conversations()
    got = run(options.program, chats, files)
    counts = {"equal": 0, "both refuse": 0, "differs": 0, "only we refuse": 0, "only transformers refuses": 0,
              "marks differ": 0}
    bad_files = set()
    for file in files:
        template, ours = file.read_text(), got[str(file)]
        for i, chat in enumerate(chats):
            text, marks = expected(template, chat)
            mine = ours if isinstance(ours, dict) else ours[i]
            if text is None:
                kind = "only transformers refuses" if "text" in mine else "both refuse"
            elif "text" not in mine:
                kind = "only we refuse"
            elif mine["text"] != text:
                kind = "differs"
            else:
                kind = "equal"
                data = text.encode()
                if [[data[a:b].decode(errors="replace") for a, b in mine["generated"]]] != [[text[a:b] for a, b in marks]]:
                    kind = "marks differ"
            counts[kind] += 1
            if kind in ("equal", "both refuse"):
                continue
            if kind in ("differs", "only we refuse"):
                bad_files.add(file)
            print(f"{file.name}: {chat['name']}: {kind}")
            if kind == "only we refuse":
                print("   ", mine["error"].replace("\n", "\n    "))
            elif kind == "only transformers refuses" and options.verbose:
                print("   ", marks)
            elif kind == "differs":
                diff = difflib.unified_diff(text.splitlines(), mine["text"].splitlines(), "transformers", "ours", lineterm="", n=1)
                print("    " + "\n    ".join(list(diff)[:12]))
    print(f"{len(files)} templates, {len(chats)} conversations each: {counts}; {len(files) - len(bad_files)} templates without fault")
    check_turns(options.program, chats, files, options.verbose)
    sys.exit(1 if bad_files else 0)


if __name__ == "__main__":
    main()
