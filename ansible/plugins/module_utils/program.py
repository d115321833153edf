# -*- coding: utf-8 -*-
# Copyright: The preflight authors
# MIT License (see LICENSE-MIT) or Apache License 2.0 (see LICENSE-APACHE)
"""Starting the program, and what it says when it cannot be started."""

from __future__ import annotations

import errno
import platform
import re
import subprocess

__all__ = ["begin", "said", "shortened", "unstartable"]


def begin(words, **how):
    """Starts the program. AnsibleModule.run_command knows no time limit with SIGINT at its end, and nothing that stays."""
    return subprocess.Popen(words, **how)


def shortened(text, most):
    """The text in at most that many bytes of UTF-8, cut between words."""
    text = " ".join(text.split())
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return encoded.decode("utf-8", "replace")
    cut = encoded[: most - 4].decode("utf-8", "ignore")
    return cut.rsplit(" ", 1)[0] + " ..."


def unstartable(binary, error):
    """One sentence for the errno with which the program could not be started."""
    if error.errno == errno.ENOENT:
        return (
            "there is no preflight at {0} on this host: install the package centreon-preflight, "
            "or set preflight_binaries so that the role brings it".format(binary)
        )
    if error.errno == errno.ENOEXEC:
        return (
            "{0} is built for another architecture than this host's {1}: "
            "set preflight_binaries for {1}".format(binary, platform.machine())
        )
    if error.errno == errno.EACCES:
        return (
            "{0} may not be executed on this host: its file system may be mounted noexec; "
            "set preflight_parent to a folder on another one".format(binary)
        )
    return "{0} cannot be started on this host: {1}".format(binary, error.strerror)


def said(binary, code, stderr):
    """One sentence for a program that ended without a report."""
    missing = re.search(r"version `(GLIBC_[0-9.]+)' not found", stderr)
    if missing:
        return (
            "this host's C library is older than {0}, which {1} needs: "
            "EL 8, Debian 10, Ubuntu 20.04 and later have glibc 2.28".format(missing.group(1), binary)
        )
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith("preflight: note: ")]
    if lines:
        # What follows the sentence is a picture of the place in the file.
        picture = [number for number, line in enumerate(lines) if "\u256d" in line] or [6]
        return shortened(" ".join(lines[: max(1, picture[0])]), 400)
    if code < 0:
        return "{0} was ended by signal {1} and left no report".format(binary, -code)
    return "{0} ended with code {1} and left no report".format(binary, code)
