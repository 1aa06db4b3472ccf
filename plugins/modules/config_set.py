#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: config_set
short_description: Install a set of files as one transaction
version_added: 0.1.0
description:
  - Renders any number of files on the controller and installs them on the host in one call, either all of them or none.
  - A check, such as C(nginx -t), tests the new files at their final paths before anything is changed. It runs in its
    own mount namespace, so that no other process sees them. If no namespace can be created (a container without
    C(CAP_SYS_ADMIN)), the files are installed first and restored if the check fails.
  - If something changed, O(apply) puts the files into effect. If that fails, the previous files are restored and
    applied.
  - A run that is killed between the installation and the end leaves a marker. The next run then runs O(apply) again
    even if no file differs.
  - Two runs with the same O(name) wait for each other.
author: [pyweb.stack contributors (@pyweb)]
extends_documentation_fragment:
  - pyweb.stack.file_set
attributes:
  check_mode:
    support: full
    description: O(check) also runs in check mode, unless its program is not installed yet (see RV(checked)).
  diff_mode:
    support: full
    description: Shows the files, except those with O(files[].secret).
  platform:
    platforms: linux
    support: full
    description: Linux with systemd.
notes:
  - Needs root. In check mode an ordinary user gets a comparison without the check.
seealso:
  - module: ansible.builtin.template
"""

EXAMPLES = r"""
- name: Configure nginx
  pyweb.stack.config_set:
    name: nginx
    files:
      - path: /etc/nginx/nginx.conf
        template: etc/nginx/nginx.conf.j2
      - path: /etc/nginx/conf.d/shop.conf
        template: etc/nginx/conf.d/site.conf.j2
        vars:
          site: "{{ shop }}"
      - path: /etc/nginx/sites-enabled/default
        state: absent
    check: [nginx, -t]
    private: [/run, /var/log/nginx]
    apply:
      - [systemctl, reload-or-restart, nginx]

- name: Write a password that only the service can read
  pyweb.stack.config_set:
    name: shop-env
    files:
      - path: /etc/shop/env
        content: "PASSWORD={{ shop_password }}\n"
        group: shop
        mode: '0640'
        secret: true
"""

RETURN = r"""
files:
  description: What happened to each path, or would happen in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The path.
      type: str
    state:
      description: V(created), V(changed), V(removed) or V(unchanged).
      type: str
  sample: [{path: /etc/nginx/nginx.conf, state: changed}]
notes:
  description: The O(files[].note) of every file that changed, and the files that could not be restored.
  returned: success
  type: list
  elements: str
checked:
  description: Whether O(check) ran and accepted the files.
  returned: success
  type: bool
unchecked_because:
  description: The reason why O(check) did not run.
  returned: when RV(checked) is false
  type: str
  sample: nginx is not installed yet
applied:
  description: Whether O(apply) ran.
  returned: success
  type: bool
output:
  description: The output of the program that refused or failed.
  returned: when O(check) or O(apply) fails
  type: str
"""

from ansible_collections.pyweb.stack.plugins.module_utils.host.file_set_module import ARGUMENTS, FileSetModule


def main() -> None:
    module = FileSetModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    done = module.install()
    if refused := done.pop("refused", {}):
        texts = [f"{part}: {text}; its files stay as they were" for part, text in refused.items()]
        module.fail_json(msg=f"config_set '{module.params['name']}': " + "\n".join(texts), **done, **module.shown())
    module.exit_json(**done, **module.shown())


if __name__ == "__main__":
    main()
