#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The preflight authors
# MIT License (see LICENSE-MIT) or Apache License 2.0 (see LICENSE-APACHE)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: preflight
short_description: Checks the network flows that this machine needs
version_added: 0.1.0
description:
  - Runs the program C(preflight) on the machine and reads its report.
  - Each network flow of the machine's role is asked in its own protocol. Nothing is changed, neither here nor there.
options:
  binary:
    description: The program, as a path or as a name to be found in E(PATH).
    type: str
    default: preflight
  site_file:
    description: The site file on the machine, whose part for O(machine) is asked.
    type: path
  machine:
    description: The name of this machine in O(site_file). Without it the program takes the machine that has this host's name or address.
    type: str
  role:
    description: What the machine is, or is about to be. Not needed with O(site_file), nor where Centreon is installed.
    type: str
  profile:
    description: The flow table.
    type: str
  phase:
    description: Before or after the installation of Centreon.
    type: str
    choices: [auto, before, after]
  targets:
    description:
      - Peers by their kind, as V(central), V(poller), V(ntp), V(dns), V(smtp), V(ldap), V(http) or V(device). The value is one target or a list.
    type: dict
    default: {}
  arguments:
    description: More arguments of the program, as its C(--help) lists them. A secret has no place here, since every user sees them.
    type: list
    elements: str
    default: []
  secrets:
    description:
      - Passwords. The first goes over the program's standard input, the others into files of mode 0600 that are removed afterwards.
    type: dict
    default: {}
    suboptions:
      snmp_community:
        description: The SNMP community.
        type: str
      snmp_auth:
        description: The authentication password of SNMPv3.
        type: str
      snmp_priv:
        description: The privacy password of SNMPv3.
        type: str
      ldap_password:
        description: The password of the bind DN.
        type: str
      nsclient_password:
        description: The password of NSClient++.
        type: str
      nsclient_nt_password:
        description: The password of NSClient's old port.
        type: str
      proxy_password:
        description: The password of the proxy.
        type: str
      otlp_token:
        description: The token of monitoring agents.
        type: str
      redis_password:
        description: The password of Redis.
        type: str
  report:
    description:
      - Keep the JSON report in this file on the machine, of mode 0600. The report that is there is what diff mode compares with.
      - In check mode the file stays as it is.
    type: path
  strict:
    description: Warnings of required flows fail the run, too.
    type: bool
    default: false
  fail_on:
    description:
      - V(failed) fails the task if a required flow fails, V(unknown) also if one cannot be told from here.
      - V(nothing) fails it only if there is no report at all.
    type: str
    choices: [failed, unknown, nothing]
    default: failed
  full:
    description: Return RV(report) also when the task fails. It has tens of kilobytes, and Ansible prints what a failed task returns.
    type: bool
    default: false
  timeout:
    description: End the program after so many seconds. What was finished by then is in the report.
    type: int
    default: 600
notes:
  - The module never reports RV(ignore:changed). With C(--check) it runs as it does without.
attributes:
  check_mode:
    description: Can run in check mode and return the same, since it changes nothing.
    support: full
  diff_mode:
    description: Compares each flow with the last report in O(report).
    support: full
  platform:
    description: Linux with glibc 2.28 or later.
    platforms: linux
    support: full
seealso:
  - module: preflight.checks.responder
author:
  - The preflight authors (@preflight)
"""

EXAMPLES = r"""
- name: Check a poller that is about to be installed
  preflight.checks.preflight:
    role: poller
    targets:
      central: 10.0.0.5
      ntp: [10.0.0.3, 10.0.0.4]
      dns: 10.0.0.53
      device: [10.1.1.1, 10.1.2.1]
    secrets:
      snmp_community: "{{ vault_snmp_community }}"

- name: Check this machine's part of a site file, and compare with the last run
  preflight.checks.preflight:
    site_file: /etc/preflight/site.toml
    machine: "{{ inventory_hostname }}"
    report: /var/lib/preflight/last.json
  diff: true

- name: Look, and decide yourself
  preflight.checks.preflight:
    role: central
    fail_on: nothing
  register: flows

- name: Go on only if the broker can be reached
  ansible.builtin.assert:
    that: flows.failed_flows | select('match', 'poller.bbdo') | length == 0
"""

RETURN = r"""
outcome:
  description: How the run ended.
  returned: when there is a report
  type: str
  sample: failed
  choices: [ready, failed, unknown, interrupted]
reasons:
  description: Why it is not ready, a short text for each flow.
  returned: when there is a report
  type: list
  elements: str
  sample: ["poller.bbdo (rejected by 10.4.0.1)"]
summary:
  description: The last line of the table.
  returned: when there is a report
  type: str
  sample: "1 of 6 required flows fails: poller.bbdo (rejected by 10.4.0.1)"
failed_flows:
  description: The required steps that fail.
  returned: when there is a report
  type: list
  elements: str
  sample: ["poller.bbdo@10.0.0.5"]
warning_flows:
  description: The required steps that work and warn.
  returned: when there is a report
  type: list
  elements: str
report:
  description: The whole report, as C(preflight schema report) describes it.
  returned: when the task does not fail, or with O(full)
  type: dict
exit_code:
  description: The exit code of the program.
  returned: when the program was started
  type: int
  sample: 1
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.preflight.checks.plugins.module_utils.program import (
    begin,
    said,
    shortened,
    unstartable,
)

# The secrets, each with the flag of the file it is read from.
SECRETS = {
    "snmp_community": "--snmp-community-file",
    "snmp_auth": "--snmp-auth-file",
    "snmp_priv": "--snmp-priv-file",
    "ldap_password": "--ldap-password-file",
    "nsclient_password": "--nsclient-password-file",
    "nsclient_nt_password": "--nsclient-nt-password-file",
    "proxy_password": "--proxy-password-file",
    "otlp_token": "--otlp-token-file",
    "redis_password": "--redis-password-file",
}
# Bytes of a failed task's message: with what Ansible prints around it that is less than 500.
MESSAGE = 360
# A report of ten thousand steps has less.
LARGEST = 64 * 1024 * 1024


def command(params, folder):
    """The arguments, and what goes to standard input; secrets beside the first lie in folder."""
    words = [params["binary"]]
    for flag, name in (("--site", "site_file"), ("--as", "machine"), ("--role", "role"), ("--profile", "profile")):
        if params[name]:
            words += [flag, params[name]]
    if params["phase"]:
        words += ["--phase", params["phase"]]
    for kind, hosts in params["targets"].items():
        for host in hosts if isinstance(hosts, list) else [hosts]:
            words.append("--{0}={1}".format(kind, host))
    if params["strict"]:
        words.append("--strict")
    words += params["arguments"]
    words += ["--format", "json"]
    stdin = None
    for name, secret in sorted((params["secrets"] or {}).items()):
        if not secret:
            continue
        if stdin is None:
            stdin = secret
            words += [SECRETS[name], "-"]
            continue
        path = os.path.join(folder, name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret)
        words += [SECRETS[name], path]
    return words, stdin


def run(module, folder):
    """Runs the program to its end, or to that of its time."""
    words, stdin = command(module.params, folder)
    # A variable of ours in the environment of whoever logs in has no say.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFLIGHT_")}
    try:
        process = begin(
            words,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
    except OSError as error:
        module.fail_json(msg=unstartable(words[0], error))
    written = None if stdin is None else stdin.encode("utf-8")
    try:
        out, err = process.communicate(written, timeout=module.params["timeout"])
    except subprocess.TimeoutExpired:
        # Its handler writes the report of what was finished.
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
    return process.returncode, out, err.decode("utf-8", "replace")


def lines(report):
    """A line for each step, for the diff."""
    rows = []
    for step in report.get("steps", []):
        cause = (step.get("cause") or {}).get("code")
        rows.append("{0}: {1}{2}\n".format(step.get("id"), step.get("outcome"), ", " + cause if cause else ""))
    return "".join(rows)


def last(path):
    """The report of the last run; none if there was none that can be read."""
    try:
        if os.path.getsize(path) > LARGEST:
            return None
        with open(path, "rb") as file:
            report = json.loads(file.read().decode("utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def keep(module, path, text):
    """Replaces the report as a whole; only its owner reads it."""
    partial = os.path.join(module.tmpdir, "report.json")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        module.atomic_move(partial, path)
    except OSError as error:
        module.fail_json(msg="the report cannot be kept in {0}: {1}".format(path, error.strerror))


def main():
    secrets = {name: {"type": "str", "no_log": True} for name in SECRETS}
    module = AnsibleModule(
        argument_spec={
            "binary": {"type": "str", "default": "preflight"},
            "site_file": {"type": "path"},
            "machine": {"type": "str"},
            "role": {"type": "str"},
            "profile": {"type": "str"},
            "phase": {"type": "str", "choices": ["auto", "before", "after"]},
            "targets": {"type": "dict", "default": {}},
            "arguments": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "dict", "default": {}, "options": secrets, "no_log": False},
            "report": {"type": "path"},
            "strict": {"type": "bool", "default": False},
            "fail_on": {"type": "str", "choices": ["failed", "unknown", "nothing"], "default": "failed"},
            "full": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 600},
        },
        required_by={"machine": ["site_file"]},
        supports_check_mode=True,
    )
    params = module.params
    folder = tempfile.mkdtemp(prefix="preflight-", dir=module.tmpdir)
    try:
        code, out, err = run(module, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        report = json.loads(out[:LARGEST].decode("utf-8"))
        summary = report["summary"]
    except (ValueError, KeyError, TypeError):
        module.fail_json(msg=said(params["binary"], code, err), exit_code=code)
    required = [step for step in report["steps"] if step.get("required")]
    result = {
        "changed": False,
        "exit_code": code,
        "outcome": {0: "ready", 1: "failed", 3: "unknown"}.get(code, "interrupted"),
        "summary": summary["text"],
        "reasons": summary.get("reasons", []),
        "failed_flows": [step["id"] for step in required if step["outcome"] == "fail"],
        "warning_flows": [step["id"] for step in required if step["outcome"] == "warn"],
    }
    before = last(params["report"]) if params["report"] else None
    if module._diff:
        result["diff"] = {
            "before_header": "the last report",
            "after_header": "now",
            "before": lines(before) if before else "",
            "after": lines(report),
        }
    if params["report"] and not module.check_mode:
        keep(module, params["report"], out)
    bad = {"failed": ("failed", "interrupted"), "unknown": ("failed", "interrupted", "unknown"), "nothing": ()}
    if result["outcome"] not in bad[params["fail_on"]]:
        module.exit_json(report=report, **result)
    if params["full"]:
        module.fail_json(msg=shortened(summary["text"], MESSAGE), report=report, **result)
    failure = {"changed": False, "outcome": result["outcome"], "exit_code": code}
    if "diff" in result:
        failure["diff"] = result["diff"]
    module.fail_json(msg=shortened(summary["text"], MESSAGE), **failure)


if __name__ == "__main__":
    main()
