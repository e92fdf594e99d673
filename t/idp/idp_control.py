# SPDX-License-Identifier: Apache-2.0
"""Control API common to the stand-ins: broken answers, the record of requests.

All of it lives under /_ctl/, takes and gives JSON, and is never itself recorded or broken.
"""

import functools

import idp_wire
from idp_http import json_answer


def routes(site):
    return [
        ("POST", r"/_ctl/answer", functools.partial(_answer, site)),
        ("GET", r"/_ctl/presets", lambda _: json_answer(sorted(idp_wire.PRESETS))),
        ("GET", r"/_ctl/requests", functools.partial(_requests, site)),
        ("POST", r"/_ctl/forget", functools.partial(_forget, site)),
        ("GET", r"/_ctl/notes", lambda _: json_answer(site.faults.notes)),
    ]


def _answer(site, request):
    given = request.json()
    for fault in given if isinstance(given, list) else [given]:
        site.faults.add(fault)
    return json_answer({"ok": True})


def _requests(site, request):
    last = int(request.arg("last", "300"))
    return json_answer(site.recorder.report(request.arg("endpoint"), last))


def _forget(site, _request):
    """Empty the record, keep everything else."""
    site.recorder.clear()
    return json_answer({"ok": True})
