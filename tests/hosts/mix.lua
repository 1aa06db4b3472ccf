-- What wrk requests: the requests of a file, in order, over all connections. It prints its result as one line of JSON.
--   wrk ... --script mix.lua URL -- requests.lua ENDING PAUSE
-- ENDING is keep or close: whether a connection is reused. PAUSE is how many milliseconds a connection pauses between
-- two requests, plus or minus a half; 0: no pause.

local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    local ready = {}
    for _, one in ipairs(dofile(args[1])) do
        if args[2] == "close" then one.headers["Connection"] = "close" end
        table.insert(ready, wrk.format(one.method, one.path, one.headers, one.body))
    end
    raw, asked, statuses, wrong, pause = ready, 0, {}, "", tonumber(args[3])
end

function delay()
    return pause > 0 and math.random(pause / 2, pause * 3 / 2) or 0
end

function request()
    asked = asked + 1
    return raw[asked % #raw + 1]
end

function response(status, headers, body)
    statuses[status] = (statuses[status] or 0) + 1
    if status ~= 200 and status ~= 302 and #wrong < 2000 then
        wrong = wrong .. os.date("!%H:%M:%S ") .. status .. " " .. string.sub(body, 1, 200) .. "\n"
    end
end

function done(summary, latency, requests)
    local counts, said = {}, ""
    for _, thread in ipairs(threads) do
        for status, count in pairs(thread:get("statuses")) do
            counts[status] = (counts[status] or 0) + count
        end
        said = said .. thread:get("wrong")
    end
    local pairs_ = {}
    for status, count in pairs(counts) do
        table.insert(pairs_, string.format('"%d": %d', status, count))
    end
    local lost = summary.errors
    io.write(string.format(
        'VERDICT {"requests": %d, "seconds": %.3f, "p50": %.3f, "p99": %.3f, "longest": %.3f, "statuses": {%s}, '
            .. '"connect": %d, "read": %d, "write": %d, "timeout": %d, "wrong": "%s"}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        latency.max / 1e3, table.concat(pairs_, ", "), lost.connect, lost.read, lost.write, lost.timeout,
        (said:gsub('[%c"\\]', " "))))
end
