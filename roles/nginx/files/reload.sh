# shellcheck shell=sh
# Reload nginx and make sure that it took the configuration. systemctl reports success as soon as the signal is sent; a
# master that cannot bind a port writes so into its log and goes on with what it had. One that can has new workers.
# With `try-` as the argument an nginx that does not run is left alone. One that did not run before it failed to start is
# stopped, so that systemd does not go on trying, and left alone with `back-`, for the files that are put back.
log=/var/log/nginx/error.log

workers() {
    master=$(systemctl show --property=MainPID --value nginx.service)
    cat "/proc/$master/task/$master/children" 2>/dev/null
}

# What nginx calls its workers, and those that take no more connections: `worker process is shutting down`.
accepts() {
    grep -qsF 'worker process' "/proc/$1/cmdline" && ! grep -qsF 'shutting down' "/proc/$1/cmdline"
}

fail() {
    # A start that fails is in the journal, whatever error_log says.
    {
        tail -c "+$((size + 1))" "$log"
        journalctl --quiet --no-pager --output=cat --unit=nginx.service --since="@$since"
    } 2>/dev/null | grep -F '[emerg]' >&2 || echo "$1" >&2
    case $state in
    inactive | failed)
        systemctl stop nginx.service 2>/dev/null
        systemctl reset-failed nginx.service 2>/dev/null
        ;;
    esac
    exit 1
}

# A reload gives the new workers the limit of their master, which would get another one only by a restart, and no restart
# is ours to make. One that is higher already stays.
raise_limit() {
    master=$(systemctl show --property=MainPID --value nginx.service)
    wanted=$(systemctl show --property=LimitNOFILE --value nginx.service)
    has=$(prlimit --pid "$master" --nofile --noheadings --output SOFT | tr -d ' ')
    most=$(prlimit --pid "$master" --nofile --noheadings --output HARD | tr -d ' ')
    case ,$has,$wanted, in
    *,,* | *[!0-9,]*) return ;; # no limit, or nobody tells
    esac
    # As systemd does: in a container that may not go beyond its own limit, up to that.
    [ "$has" -ge "$wanted" ] || prlimit --pid "$master" --nofile="$wanted:$wanted" ||
        prlimit --pid "$master" --nofile="$most:$most"
} 2>/dev/null

since=$(date +%s)
before=" $(workers) "
size=$(stat -c %s "$log" 2>/dev/null || echo 0)
[ "$(systemctl show --property=NeedDaemonReload --value nginx.service)" = no ] || systemctl daemon-reload
state=$(systemctl show --property=ActiveState --value nginx.service)
case $1 in
try-) [ "$state" = active ] || exit 0 ;;
back-)
    [ "$state" != inactive ] || exit 0
    set -- ''
    ;;
esac
# An installation that was killed may have left it so.
[ "$(systemctl show --property=LoadState --value nginx.service)" != masked ] || systemctl unmask --runtime nginx.service
[ "$state" != active ] || raise_limit || true
systemctl "${1}reload-or-restart" nginx.service || fail "nginx does not start; see journalctl -u nginx"
# Without CONFIG_PROC_CHILDREN the kernel does not tell, and systemctl's word has to do.
[ -e /proc/self/task/self/children ] || [ -e "/proc/$$/task/$$/children" ] || exit 0
# Until all of them take no more connections, one of the old workers may still answer with the old configuration.
tries=100
while [ "$tries" -gt 0 ]; do
    new='' old=''
    for worker in $(workers); do
        case $before in
        *" $worker "*) accepts "$worker" && old=$worker ;;
        *) new=$worker ;;
        esac
    done
    [ -n "$new" ] && [ -z "$old" ] && exit 0
    sleep 0.1
    tries=$((tries - 1))
done
[ -n "$new" ] || fail "nginx has no new workers 10 s after the reload; see $log"
