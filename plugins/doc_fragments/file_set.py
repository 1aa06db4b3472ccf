# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the modules that install a set of files: `config_set` and `nginx_set`."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc; `module_utils/host/file_set_module.py` has the same options for the modules."""

    DOCUMENTATION = r"""
options:
  name:
    description: A name for the set of files. The lock and the marker in C(/run/pyweb.stack) are named after it.
    type: str
    required: true
  files:
    description: The files and links to install or remove. Missing parent directories are created with mode C(0755).
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
        description: A template, searched for in the same places as the O(ignore:src) of M(ansible.builtin.template).
        type: str
      vars:
        description: Variables for O(files[].template), in addition to those of the host.
        type: dict
        default: {}
      link:
        description: Create a symbolic link to this target.
        type: str
      edits:
        description:
          - Replace these texts in a file. The rest of the file, its owner and its mode stay as they are. It is an error
            if a text is not found, unless its replacement is already there.
        type: list
        elements: dict
        version_added: 0.2.0
        suboptions:
          line:
            description: The line in which the text begins. The first line is 1.
            type: int
            required: true
          column:
            description: The column at which the text begins. The first column is 0.
            type: int
            required: true
          old:
            description: The text to replace.
            type: str
            required: true
          new:
            description: The replacement.
            type: str
            required: true
      state:
        description:
          - V(absent) removes the file or link.
          - V(kept) restores the copy that O(files[].keep) made. If the file has been changed by someone else since
            then, it is left as it is, unless it contains O(files[].marked).
        type: str
        choices: [present, absent, kept]
        default: present
      marked:
        description:
          - A text that shows who owns a file. For a link, it is searched for in the target.
          - With O(files[].state=absent), the file is removed only if it contains this text, so that a file of the same
            name that someone else wrote is kept.
          - With O(files[].keep), a file that contains this text is not copied.
        type: str
        default: ''
      keep:
        description:
          - Before the first change, copy the existing file below C(/var/lib/pyweb.stack/kept). An existing copy is not
            replaced.
        type: bool
        default: false
        version_added: 0.2.0
      prune:
        description: With O(files[].state=absent), also remove the directory if it is then empty.
        type: bool
        default: false
        version_added: 0.2.0
      note:
        description: A sentence for the user about the change of this file. See RV(notes).
        type: str
        default: ''
        version_added: 0.2.0
      of:
        description:
          - The part of the set to which this file belongs, such as a site. If O(check) names a file of a part in its
            error, as C(... in PATH:LINE), all files of that part stay as they are, the other files are installed, and
            the module fails for that part only.
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
        description: Do not show the content, neither in a diff nor in the output.
        type: bool
        default: false
  check:
    description: A command, as a list of arguments. Its exit status accepts or refuses the new files.
    type: list
    elements: str
    default: []
  private:
    description:
      - Directories in which O(check) writes, for example those of pid files and logs. O(check) sees their files empty,
        and what it writes there is discarded.
    type: list
    elements: path
    default: []
  apply:
    description:
      - Commands to run in this order after the files were installed. Each command is a list of arguments.
      - For a script, C([sh, -c, SCRIPT, NAME]), messages show the name.
    type: list
    elements: list
    default: []
  revert:
    description:
      - Commands to run instead of O(apply) after the previous files were restored because O(apply) failed. If empty,
        O(apply) runs again.
    type: list
    elements: list
    default: []
    version_added: 0.2.0
  wait:
    description: How many seconds to wait for another run with the same O(name).
    type: int
    default: 60
"""
