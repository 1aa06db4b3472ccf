# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The completion of the command `pyweb` for bash."""

from __future__ import annotations

BASH = r"""# Written by pyweb.stack: bash completion of the command pyweb.
_pyweb() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-} choices=
    local sites
    sites=$(cd /etc/systemd/system 2>/dev/null && for unit in uwsgi-*@.service; do
        unit=${unit#uwsgi-} && unit=${unit%@.service} && [ "$unit" = "${unit%-probe}" ] && echo "$unit"
    done)
    if [ "$COMP_CWORD" -eq 1 ]; then
        choices="status doctor releases rollback logs manage shell watch --version --help"
    elif [ "$COMP_CWORD" -eq 2 ] && [ "${word#-}" = "$word" ]; then
        choices=$sites
    else
        case $command in
        doctor) choices="--json --deep --patience --help" ;;
        logs) choices="--follow --errors --lines --help" ;;
        rollback)
            choices="--check --ignore-migrations --help $(pyweb releases "${COMP_WORDS[2]}" 2>/dev/null |
                while read -r id _; do echo "$id"; done)"
            ;;
        status | releases | watch) choices="--help" ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
}
complete -F _pyweb pyweb
"""
