-- wrk's script for single submissions: goes through the bodies in BENCH_BODIES (one a line) and prints what it measured as JSON.
local bodies, at = {}, 0
for line in io.lines(os.getenv('BENCH_BODIES')) do bodies[#bodies + 1] = line end

function init()
  local headers = {['Content-Type'] = 'application/json', ['Authorization'] = 'Bearer ' .. os.getenv('BENCH_KEY')}
  for i, body in ipairs(bodies) do bodies[i] = wrk.format('POST', '/v1/instruments/ipip-50/attempts', headers, body) end
end

function request()
  at = at % #bodies + 1
  return bodies[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %.3f, "p99": %.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
