"""A Keyway for the tests of Python clients, and somebody who signs in and consents with plain forms."""

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

ROOT = Path(__file__).resolve().parents[3]
BINARY = os.environ.get("KEYWAY_BIN", str(ROOT / "target" / "debug" / "keyway"))
CALLBACK = "https://app.example.com/callback"
PASSWORD = "correct horse battery staple 42"
LIMITS = ("credential owner app sign_in unknown_credentials authorize token introspect revoke userinfo par device register")

# authlib refuses plain http otherwise; the server listens on this machine alone.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def free_ports(count):
    """Held open together, so that no port is given twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Keyway:
    """`keyway dev` on free ports, without limits."""

    def __init__(self, folder):
        self.folder = folder
        portal, api = free_ports(2)
        self.portal, self.api = f"http://localhost:{portal}", f"http://localhost:{api}"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("KEYWAY_")} | {
            "KEYWAY_DATA_DIR": str(folder),
            "KEYWAY_PORTAL_ADDR": f"127.0.0.1:{portal}",
            "KEYWAY_API_ADDR": f"127.0.0.1:{api}",
            "KEYWAY_PUBLIC_URL": self.portal,
            "KEYWAY_DEMO_ADDR": "off",
        } | {f"KEYWAY_LIMITS__{name.upper()}": "off" for name in LIMITS.split()}
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen([BINARY, "dev"], cwd=folder, env=self.env, stdout=self.log, stderr=self.log)
        try:
            self._ready()
        except BaseException:
            self.process.kill()
            raise

    def _ready(self):
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if requests.get(f"{self.portal}/readyz", timeout=30).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.025)
        self.log.seek(0)
        raise AssertionError(f"the server did not start:\n{self.log.read()}")

    def run(self, *arguments):
        """A command beside the server; its JSON answer."""
        command = [BINARY, *arguments, "--json"]
        return json.loads(subprocess.run(command, cwd=self.folder, env=self.env, check=True, capture_output=True).stdout)

    def register(self, *arguments):
        """An app, made by the operator's command."""
        return self.run("client", "create", "--name", "Notebook", *arguments)

    def metadata(self):
        """RFC 8414."""
        return requests.get(f"{self.portal}/.well-known/oauth-authorization-server", timeout=30).json()

    def call(self, token, path="/v1/whoami"):
        """A call of the sample API."""
        return requests.get(f"{self.api}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.log.close()
        assert status == 0, "exit code after SIGTERM"


class Forms(HTMLParser):
    """The forms of a page: action, and what their fields hold."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.found.append((attributes.get("action", ""), {}))
        elif tag == "input" and self.found and attributes.get("name"):
            self.found[-1][1][attributes["name"]] = attributes.get("value") or ""


class Person:
    """Somebody with a browser that has cookies and forms, and nothing else."""

    def __init__(self, portal, email):
        self.portal, self.email = portal, email
        self.http = requests.Session()
        self.http.headers["Accept"] = "text/html"
        page = self.get(f"{portal}/sign-up")
        self.submit(page, "/sign-up", name="Ada Example", email=email, password=PASSWORD)

    def get(self, address):
        return self._follow(self.http.get(address, allow_redirects=False, timeout=30))

    def submit(self, page, action, **fields):
        """Fills in the page's form with this action and sends it."""
        target, held = next(form for form in Forms(page.text).found if form[0].startswith(action))
        address = urljoin(self.portal, target)
        return self._follow(self.http.post(address, data=held | fields, allow_redirects=False, timeout=30))

    def authorize(self, address):
        """Goes where an app sends its user, consents where that is asked, and gives where the app gets its answer."""
        answer = self.get(address)
        if not isinstance(answer, str) and 'action="/oauth/consent"' in answer.text:
            answer = self.submit(answer, "/oauth/consent", decision="allow")
        assert isinstance(answer, str), answer.text
        return answer

    def _follow(self, answer):
        """The page after the redirects within the portal, or the address outside it."""
        while answer.is_redirect:
            address = urljoin(answer.url, answer.headers["Location"])
            if not address.startswith(f"{self.portal}/"):
                return address
            answer = self.http.get(address, allow_redirects=False, timeout=30)
        return answer


@pytest.fixture(scope="session")
def keyway(tmp_path_factory):
    server = Keyway(tmp_path_factory.mktemp("keyway"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def ada(keyway):
    return Person(keyway.portal, "ada@example.com")
