# Reload nginx and make sure that it took the configuration. systemctl reports success as soon as the signal is sent; a
# master that cannot bind a port writes so into its log and goes on with what it had. One that can has new workers.
# With `try-` as the argument an nginx that does not run is left alone.
log=/var/log/nginx/error.log

workers() {
    master=$(systemctl show --property=MainPID --value nginx.service)
    cat "/proc/$master/task/$master/children" 2>/dev/null
}

fail() {
    # A start that fails is in the journal, whatever error_log says.
    {
        tail -c "+$((size + 1))" "$log"
        journalctl --quiet --no-pager --output=cat --unit=nginx.service --since="@$since"
    } 2>/dev/null | grep -F '[emerg]' >&2 || echo "$1" >&2
    exit 1
}

since=$(date +%s)
before=" $(workers) "
size=$(stat -c %s "$log" 2>/dev/null || echo 0)
[ "$(systemctl show --property=NeedDaemonReload --value nginx.service)" = no ] || systemctl daemon-reload
if [ "$1" = try- ] && ! systemctl is-active --quiet nginx.service; then
    exit 0
fi
# An installation that was killed may have left it so.
[ "$(systemctl show --property=LoadState --value nginx.service)" != masked ] || systemctl unmask --runtime nginx.service
systemctl "${1}reload-or-restart" nginx.service || fail "nginx does not start; see journalctl -u nginx"
# Without CONFIG_PROC_CHILDREN the kernel does not tell, and systemctl's word has to do.
[ -e /proc/self/task/self/children ] || [ -e "/proc/$$/task/$$/children" ] || exit 0
tries=100
while [ "$tries" -gt 0 ]; do
    for worker in $(workers); do
        case $before in
        *" $worker "*) ;;
        *) exit 0 ;;
        esac
    done
    sleep 0.1
    tries=$((tries - 1))
done
fail "nginx has no new workers 10 s after the reload; see $log"
