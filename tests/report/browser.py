"""A real Chromium, asked over its DevTools protocol: what a page does, and how it looks."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_KEYS = {"Tab": 9, "Enter": 13, "ArrowLeft": 37}
_WAIT_S, _LONG_S = 20, 120


def program():
    """Return where Chromium is, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser(folder):
    """Start a Chromium with a profile of its own in a folder."""
    folder = Path(folder)
    options = [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank",
    ]  # fmt: skip
    log = (folder / "chromium.log").open("w")
    running = subprocess.Popen([program(), *options], stdout=log, stderr=log)
    try:
        yield Browser(_address(folder, running))
    finally:
        running.terminate()
        running.wait(_WAIT_S)
        log.close()


def _address(folder, running):
    told = folder / "DevToolsActivePort"
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        if running.poll() is not None:
            break
        if told.exists() and len(lines := told.read_text().splitlines()) > 1:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.02)
    raise RuntimeError((folder / "chromium.log").read_text()[-2000:])


class Browser:
    def __init__(self, address):
        self._address = address

    @contextmanager
    def page(self, *, width=1280, height=900, scale=1, dark=False, scripts=True):
        """Open an empty page."""
        with connect(self._address, max_size=None) as socket:
            page = Page(socket, paints=scripts)
            made = page.ask("Target.createTarget", url="about:blank")
            attached = page.ask("Target.attachToTarget", targetId=made["targetId"], flatten=True)
            page.session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.ask(f"{domain}.enable")
            page.ask(
                "Emulation.setDeviceMetricsOverride",
                width=width, height=height, deviceScaleFactor=scale, mobile=width < 600,
            )  # fmt: skip
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            page.ask("Emulation.setEmulatedMedia", features=[scheme])
            if not scripts:
                page.ask("Emulation.setScriptExecutionDisabled", value=True)
            try:
                yield page
            finally:
                page.session = None
                page.ask("Target.closeTarget", targetId=made["targetId"])


class Page:
    """A page, and what has happened in it."""

    def __init__(self, socket, *, paints):
        self._socket = socket
        self._paints = paints  # only a script knows when
        self._numbers = itertools.count(1)
        self.session = None
        self.events = []

    def ask(self, method, **parameters):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        self._socket.send(json.dumps(message))
        while True:
            answer = self._take()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _take(self):
        message = json.loads(self._socket.recv(_LONG_S))
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, path, fragment=""):
        """Load a file and wait until it is there; return the seconds that took."""
        began = time.perf_counter()
        self.ask("Page.navigate", url=f"{Path(path).absolute().as_uri()}{fragment}")
        while not self.told("Page.loadEventFired"):
            self._take()
        if self._paints:
            self.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.perf_counter() - began

    def told(self, method):
        return [event["params"] for event in self.events if event["method"] == method]

    def js(self, expression):
        """Return what an expression gives."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    @property
    def errors(self):
        """What stands in the console as an error or a warning."""
        said = [entry["entry"] for entry in self.told("Log.entryAdded")]
        found = [entry["text"] for entry in said if entry["level"] in ("error", "warning")]
        found += [str(thrown) for thrown in self.told("Runtime.exceptionThrown")]
        calls = self.told("Runtime.consoleAPICalled")
        return found + [str(call) for call in calls if call["type"] in ("error", "warning")]

    @property
    def requests(self):
        """The addresses that were asked for."""
        return [sent["request"]["url"] for sent in self.told("Network.requestWillBeSent")]

    def names(self, role=None):
        """Return the names that assistive technology gets, of all or of one role."""
        tree = self.ask("Accessibility.getFullAXTree")["nodes"]
        return [
            node.get("name", {}).get("value", "")
            for node in tree
            if not node["ignored"] and role in (None, node.get("role", {}).get("value"))
        ]

    def press(self, key):
        for kind in ("rawKeyDown", "char", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "char" else {}
            if kind != "char" or text:
                code = _KEYS[key]
                self.ask(
                    "Input.dispatchKeyEvent", type=kind, key=key, code=key,
                    windowsVirtualKeyCode=code, **text,
                )  # fmt: skip

    def findings(self):
        """Return what axe-core finds that is serious, by the file in AXE_CORE."""
        self.js(Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8") + ";0")
        found = self.js("axe.run(document).then(r => JSON.stringify(r.violations))")
        return [
            (one["id"], [(node["html"][:200], node["failureSummary"]) for node in one["nodes"]])
            for one in json.loads(found)
            if one["impact"] in ("serious", "critical")
        ]

    def screenshot(self, path, **clip):
        """Write how it looks, or a part of it (x, y, width, height)."""
        part = {"clip": {"scale": 1, **clip}, "captureBeyondViewport": True} if clip else {}
        shot = self.ask("Page.captureScreenshot", format="png", **part)
        Path(path).write_bytes(base64.b64decode(shot["data"]))
