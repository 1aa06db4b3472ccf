# shellcheck shell=sh
# Runs in a container, where something failed: what its journal and nginx say. Each module call logs its arguments; those
# lines would hide the others.
echo '--- failed units'
systemctl --failed --no-legend
echo '--- journal of the sites and of nginx'
journalctl --no-pager --lines=200 --unit='uwsgi-*' --unit=nginx.service | grep -v ' Invoked with '
echo '--- error logs of nginx'
tail --lines=40 /var/log/nginx/*error*.log
