# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the modules that install a set of files: `config_set` and `nginx_set`."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc; `module_utils/host/file_set_module.py` has the same options for the modules."""

    DOCUMENTATION = r"""
options:
  name:
    description: A name for the set. It names the lock and the marker under C(/run/pyweb.stack).
    type: str
    required: true
  files:
    description:
      - The files, links and paths to be absent. Directories above them are made with mode C(0755) when missing.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The absolute path on the host.
        type: path
        required: true
      content:
        description: The content. A mapping or list is written as JSON.
        type: raw
      template:
        description: A template, searched for like the O(ignore:src) of M(ansible.builtin.template).
        type: str
      vars:
        description: Variables for O(files[].template), beside those of the host.
        type: dict
        default: {}
      link:
        description: Make a symbolic link to this target.
        type: str
      edits:
        description:
          - Replace these texts of a file, and leave the rest of it, its owner and its mode as they are. A text that is
            not there any more is an error, unless what it becomes is there.
        type: list
        elements: dict
        version_added: 0.2.0
        suboptions:
          line:
            description: The line in which the text begins, the first one being 1.
            type: int
            required: true
          column:
            description: The character of that line at which it begins, the first one being 0.
            type: int
            required: true
          old:
            description: The text.
            type: str
            required: true
          new:
            description: What it becomes.
            type: str
            required: true
      state:
        description:
          - V(absent) removes the file or link.
          - V(kept) puts back what O(files[].keep) kept. A file that somebody else changed since stays, unless
            O(files[].marked) is in it.
        type: str
        choices: [present, absent, kept]
        default: present
      marked:
        description:
          - A text that says whose a file is (in the target, for a link).
          - With O(files[].state=absent), remove the file only if this text is in it, so that a file of the same name
            that somebody else wrote stays.
          - With O(files[].keep), a file with this text in it is not kept.
        type: str
        default: ''
      keep:
        description:
          - Before the first change, keep what is there below C(/var/lib/pyweb.stack/kept). A copy that is there stays.
        type: bool
        default: false
        version_added: 0.2.0
      prune:
        description: With O(files[].state=absent), remove the directory too when nothing else is in it.
        type: bool
        default: false
        version_added: 0.2.0
      note:
        description: What the change of this file means, in a sentence for people. See RV(notes).
        type: str
        default: ''
        version_added: 0.2.0
      of:
        description:
          - The part of the set that this file is of, such as a site. Where O(check) refuses a file of a part by its
            name, C(... in PATH:LINE), all files of that part stay as they are, the others are installed, and the module
            fails for that part alone.
        type: str
        default: ''
        version_added: 0.2.0
      owner:
        description: The owner, by name or number.
        type: str
        default: root
      group:
        description: The group, by name or number.
        type: str
        default: root
      mode:
        description: The mode, in quotes.
        type: str
        default: '0644'
      secret:
        description: Show the content nowhere, neither in a diff nor in the output.
        type: bool
        default: false
  check:
    description: A command, as a list of arguments, that accepts or refuses the new files by its exit status.
    type: list
    elements: str
    default: []
  private:
    description:
      - Directories in which O(check) writes, such as those of pid files and logs. It sees their files empty, and what
        it writes there never reaches the host.
    type: list
    elements: path
    default: []
  apply:
    description:
      - Commands, each a list of arguments, to run in turn after the swap.
      - Of a script, C([sh, -c, SCRIPT, NAME]), messages show the name.
    type: list
    elements: list
    default: []
  revert:
    description:
      - Commands to run in place of O(apply) for the files that are put back when O(apply) fails. Without any, O(apply)
        runs once more.
    type: list
    elements: list
    default: []
    version_added: 0.2.0
  wait:
    description: How long to wait for another run of the same O(name), in seconds.
    type: int
    default: 60
"""
