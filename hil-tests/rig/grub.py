"""What GRUB does with our grub.cfg: the file itself, played in a shell, whose grammar it is written in."""

import re
import subprocess

#: GRUB's commands. What is chosen and kept goes to the standard output; `echo` would be in its way.
COMMANDS = """
set() { local word; for word; do printf -v "${word%%=*}" %s "${word#*=}"; done; }
load_env() { :; }
save_env() { local name; for name; do printf '%s=%s\\n' "$name" "${!name}"; done; }
regexp() { disk=disk; }
linux() { [[ " $kernels " == *" ${root#disk,gpt} "* ]]; }
initrd() { :; }
boot() { printf 'boot %s\\n' "${root#disk,gpt}"; exit; }
reboot() { exit; }
for ignored in echo serial terminal_output sleep; do eval "$ignored() { :; }"; done
root=disk,gpt1
"""


def choose(grub_cfg: str, environment: dict[str, str], kernels: list[str]) -> tuple[str | None, dict[str, str]]:
    """The number of the partition that it starts, if any, and its environment after that. `kernels` are those that have one."""
    variables = {**environment, "kernels": " ".join(kernels)}
    run = ["bash", "--norc", "-c", COMMANDS + grub_cfg]
    said = subprocess.run(run, check=True, capture_output=True, text=True, env=variables)
    assert not said.stderr, f"grub.cfg cannot be played: {said.stderr}"
    booted = re.search(r"^boot (\d+)$", said.stdout, re.MULTILINE)
    return booted and booted[1], {**environment, **dict(re.findall(r"^(\w+)=(.*)$", said.stdout, re.MULTILINE))}
