-- What wrk sends, and how it tells what it found: see wrk.py.
init = function(arguments)
  wrk.method = arguments[1]
  if arguments[2] then
    local file = assert(io.open(arguments[2], "rb"))
    wrk.body = file:read("*a")
    file:close()
  end
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"calls": %d, "us": %d, "p50_us": %d, "p99_us": %d, "max_us": %d, '
      .. '"unanswered": %d, "refused": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency.max, errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
