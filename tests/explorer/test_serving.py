"""The local server: whom it answers, what it derives, and how it ends."""

from __future__ import annotations

import builtins
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from support.browsing import launched, reach
from support.subprocesses import HANG, started

import chainrule as cr
from chainrule.explorer import Server
from chainrule.explorer.reading import AskedError, derivation_of

FUNCTION = 'import numpy as np\n\ndef loss(X: "n d", y: "n", w: "d"):\n    r = X @ w - y\n    return np.mean(r**2)\n'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(cr.explore("sum((X @ w - y)^2)", {"w": [1.0]}, {"X": [[1.0], [2.0]], "y": [1.0, 0.0]}), "en")
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server
    server.stop()
    thread.join()
    server.close()


def asked(server: Server, method: str = "GET", part: str = "", body: object = None, **changed: str) -> tuple[int, str]:
    """The status and the text of an answer; `changed` are headers, and `path`."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=HANG)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    path = changed.pop("path", server.url.split(str(server.port))[1] + part)
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    assert answer.getheader("Access-Control-Allow-Origin") is None
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def derived(server: Server, text: str, **others: str) -> dict[str, str]:
    status, answer = asked(server, "POST", "derive", {"text": text, **others})
    assert status == 200
    found: dict[str, str] = json.loads(answer)
    return found


def test_only_own_pages_of_this_machine_are_answered(server: Server) -> None:
    own = f"127.0.0.1:{server.port}"
    assert asked(server)[0] == asked(server, Host=f"localhost:{server.port}")[0] == 200
    assert asked(server, Origin=f"http://{own}")[0] == 200
    refused = {
        "another token": asked(server, path="/wrong/"),
        "no token": asked(server, path="/"),
        "another name, after rebinding": asked(server, Host=f"evil.example:{server.port}"),
        "the name without the port": asked(server, Host="127.0.0.1"),
        "another origin": asked(server, "POST", "derive", {"text": "x^2"}, Origin="http://evil.example"),
        "a file": asked(server, "POST", "derive", {"text": "x^2"}, Origin="null"),
    }
    assert {why: status for why, (status, _) in refused.items()} == dict.fromkeys(refused, 403)
    others = {
        404: asked(server, part="7"),
        413: asked(server, "POST", "derive", {"text": "x" * 200_000}),
        415: asked(server, "POST", "derive", {"text": "x^2"}, Content_Type="text/plain"),
        400: asked(server, "POST", "derive", None, Content_Length="0", Content_Type="application/json"),
        501: asked(server, "OPTIONS", "derive"),
    }
    assert {expected: status for expected, (status, _) in others.items()} == {each: each for each in others}


def test_a_formula_and_a_function_are_derived(server: Server) -> None:
    for text, wrt in (("norm(A @ x - b)^2", "x"), (FUNCTION, "")):
        answer = derived(server, text, wrt=wrt)
        status, page = asked(server, part=answer["page"])
        assert status == 200
        assert f"The backward pass of {'loss' if text == FUNCTION else 'L'}" in page
        assert "connect-src 'self'" in page


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sum(", "where the formula ends"),
        ("", "nothing was typed"),
        ("def loss(X:\n", "line 1 of the function is no Python"),
        ("def loss(x):\n    return x", "the shape of 'x'"),
        ('def loss(x: "n"):\n    return x.sum() if x[0] > 0 else x.sum() * 2', "np.where"),
        ('import os\ndef loss(x: "n"):\n    os.system("true")', "may not use os.system"),
        ('def loss(x: "n"):\n    raise SystemExit', "SystemExit"),
    ],
)
def test_what_cannot_be_derived_is_a_sentence(server: Server, text: str, sentence: str) -> None:
    error = derived(server, text)["error"]
    assert sentence in error
    assert "Traceback" not in error


def test_errors_are_in_the_language_of_the_page(server: Server) -> None:
    assert "没有输入任何内容" in derived(server, " ", lang="zh")["error"]
    assert "no text" in derived(server, 1)["error"]  # type: ignore[arg-type]


def test_code_is_not_run_in_this_process() -> None:
    with pytest.raises(AskedError, match="defines no function"):
        derivation_of("def_ = globals().update(marked=True)\n# def \n")
    derivation = derivation_of('import builtins\nbuiltins.marked = True\ndef f(x: "n"):\n    return (x**2).sum()')
    assert derivation.verify().ok
    assert not hasattr(builtins, "marked")


def test_a_page_sends_what_is_typed_and_opens_what_comes(server: Server) -> None:
    with launched() as browser:
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(server.url)
        reach(page, "globalThis.explorer?.state !== undefined")
        page.locator(".ask summary").click()
        page.locator(".ask textarea").fill("sum(")
        page.locator(".ask .send").click()
        page.locator(".ask .answer:not(:empty)").wait_for()
        assert "formula ends" in page.locator(".ask .answer").inner_text()
        page.locator(".ask textarea").fill(FUNCTION)
        page.keyboard.press("Control+Enter")
        page.wait_for_url(lambda url: url.startswith(server.url) and url.split("/")[-1].split("#")[0].isdigit())
        reach(page, "globalThis.explorer?.state !== undefined")
        assert page.locator("h1").inner_text() == "The backward pass of loss"
        page.locator(".quizzes").click()
        page.locator(".line.open .typed").fill("2 r / n")
        page.keyboard.press("Enter")
        page.locator(".told").get_by_text("Right.").wait_for()
        assert page.locator(".checks").inner_text().startswith("✓")
        assert complaints == []
        page.close()


def test_the_command_serves_until_ctrl_c_and_names_a_port_that_is_taken() -> None:
    command = [sys.executable, "-m", "chainrule", "explore", "sum(x^2)", "--shape", "x: n", "--serve"]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        port = int(said.split("127.0.0.1:")[1].split("/")[0])
        connection = HTTPConnection("127.0.0.1", port, timeout=HANG)
        connection.request("GET", "/guessed/")
        assert connection.getresponse().status == 403
        connection.close()
        again = subprocess.run([*command, "--port", str(port)], capture_output=True, text=True, timeout=HANG)
        assert (again.returncode, again.stderr.count("\n")) == (2, 1)
        assert f"port {port} cannot be used" in again.stderr
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=HANG)
        assert (rest, errors, process.returncode) == ("ended\n", "", 0)
