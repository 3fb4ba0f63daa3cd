-- Delivery within a rate. Without one, consumers read with XREADGROUP and none of this runs. Part of layout.lua's library.

--- How many messages may be handed out now, the time at which those handed out before would all have been due, and the time of one; nil
--- for any number. `rate_messages` in `rate_period_ms`, and never more than `rate_burst` (default: those of 100 ms) at once: a leaky bucket.
local function share(ready, now)
  local limits = redis.call('HMGET', beside(ready, 'settings'), 'rate_messages', 'rate_period_ms', 'rate_burst')
  local messages = limits[1] and tonumber(limits[1])
  if not messages or messages < 1 then return nil end
  local each = (limits[2] and tonumber(limits[2]) or 1000) / messages
  local burst = limits[3] and tonumber(limits[3]) or math.max(1, math.ceil(100 / each))
  local due = math.max(now, tonumber(redis.call('GET', beside(ready, 'rate')) or 0))
  return math.floor((burst * each - (due - now)) / each + 0.001), due, each, burst
end

--- Read as XREADGROUP does, within the queue's rate. KEYS ready; ARGV group consumer count
--- -> {ms until it is worth asking again, or -1; the last id of an empty queue, entries}
local function fetch(keys, args)
  local ready, count = keys[1], tonumber(args[3])
  demand(ready, 'stream')
  demand(beside(ready, 'rate'), 'string')
  if state_of(ready) == 'Paused' then return {RATE_PAUSE * 5, '', {}} end
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
  local free_now, due, each, burst = share(ready, now)
  if free_now then
    local least = math.max(1, math.floor(math.min(count, burst / 2, RATE_PAUSE / each)))
    if free_now < least then return {math.ceil(due + least * each - burst * each - now), '', {}} end
    count = math.min(count, free_now)
  end
  local read = redis.call('XREADGROUP', 'GROUP', args[1], args[2], 'COUNT', count, 'STREAMS', ready, '>')
  local entries = read and read[1] and read[1][2] or {}
  if #entries == 0 then return {-1, last_id(ready), {}} end
  if free_now then
    due = due + #entries * each
    redis.call('SET', beside(ready, 'rate'), string.format('%.3f', due), 'PX', whole(math.ceil(due - now) + 1000))
  end
  return {-1, '', entries}
end

register('fetch', fetch, {'allow-oom'})
