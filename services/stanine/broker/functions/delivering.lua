-- Delivery in queues with a rate limit, or with both plain and batch messages. Other queues are read with XREADGROUP.
-- Part of layout.lua's library.

--- Milliseconds that a watch lasts beyond the wait of its consumer: a consumer that does not return by then is dead.
local WATCH_MARGIN = 1000
--- Maximum of milliseconds for a watch; a longer one results from a clock that was set back.
local WATCH_LONGEST = 60000

--- The number of messages that may be delivered now, the time at which all messages delivered before would have been
--- due, the time of one message, and the burst; nil if there is no limit. `rate_messages` in `rate_period_ms`, at most
--- `rate_burst` (default: those of 100 ms) at once: a leaky bucket.
local function share(ready, now)
  local limits = redis.call('HMGET', derived_key(ready, 'settings'), 'rate_messages', 'rate_period_ms', 'rate_burst')
  local messages = limits[1] and tonumber(limits[1])
  if not messages or messages < 1 then return nil end
  local each = (limits[2] and tonumber(limits[2]) or 1000) / messages
  local burst = limits[3] and tonumber(limits[3]) or math.max(1, math.ceil(100 / each))
  local due = math.max(now, tonumber(redis.call('GET', derived_key(ready, 'rate')) or 0))
  if due > now + burst * each + 1 then
    -- A full burst is the maximum: more results from a clock that was set back, or from an earlier, slower rate.
    due = now + burst * each
    redis.call('SET', derived_key(ready, 'rate'), string.format('%.3f', due), 'PX', whole(math.ceil(burst * each) + 1000))
  end
  return math.floor((burst * each - (due - now)) / each + 0.001), due, each, burst
end

--- The stream at which idle consumers of a rate-limited queue wait; created if missing.
local function bell_of(ready, group)
  local bell = derived_key(ready, 'bell')
  if redis.call('TYPE', bell)['ok'] == 'none' then redis.call('XGROUP', 'CREATE', bell, group, '$', 'MKSTREAM') end
  return bell
end

--- Of a rate-limited queue's idle consumers one is on watch: it alone waits for messages or for the rate. True if `me`
--- is on watch now.
local function keeps_watch(ready, group, me, now, hold)
  local ends, who = string.match(redis.call('GET', derived_key(ready, 'watch')) or '', '^(%d+) (.*)$')
  ends = tonumber(ends or 0)
  if who and who ~= me and ends > now and ends <= now + WATCH_LONGEST then
    bell_of(ready, group)
    return false
  end
  hold = math.min(hold, WATCH_LONGEST - WATCH_MARGIN) + WATCH_MARGIN
  redis.call('SET', derived_key(ready, 'watch'), whole(now + hold) .. ' ' .. me, 'PX', whole(hold))
  return true
end

--- Pass the watch to another consumer; called by a consumer that received entries or leaves.
local function pass_watch(ready, group, me)
  local who = string.match(redis.call('GET', derived_key(ready, 'watch')) or '', '^%d+ (.*)$')
  if who and who ~= me then return end
  if who then redis.call('SET', derived_key(ready, 'watch'), '', 'PX', 1) end
  local bell = derived_key(ready, 'bell')
  if redis.call('TYPE', bell)['ok'] ~= 'none' then redis.call('XADD', bell, 'MAXLEN', '=', 1, '*', 'w', '') end
end

--- Read like XREADGROUP, within the queue's rate and the consumer's capacity. KEYS ready;
--- ARGV group consumer count, slots (0: unlimited) merge, ms that the caller will wait
--- -> {ms until the next call is useful, last id, entries}. Without entries, -1: wait for entries after the last id, if given,
--- else read one entry with XREADGROUP; -2: wait for the bell
local function fetch(keys, args)
  local ready, group, me, count, slots = keys[1], args[1], args[2], tonumber(args[3]), tonumber(args[4])
  require_type(ready, 'stream')
  require_type(derived_key(ready, 'rate'), 'string')
  if state_of(ready) == 'Paused' then return {RATE_PAUSE * 5, '', {}} end
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
  local free_now, due, each, burst = share(ready, now)
  if free_now then
    local least = math.max(1, math.floor(math.min(count, burst / 2, RATE_PAUSE / each)))
    if free_now < least then
      if not keeps_watch(ready, group, me, now, tonumber(args[6])) then return {-2, '', {}} end
      return {math.ceil(due + least * each - burst * each - now), '', {}}
    end
    count = math.min(count, free_now)
  end
  if slots > 0 then count = fitting(ready, group, count, slots, tonumber(args[5])) end
  local read = count > 0 and redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', count, 'STREAMS', ready, '>')
  local entries = read and read[1] and read[1][2] or {}
  if #entries == 0 then
    if not free_now then return {-1, '', {}} end
    return {keeps_watch(ready, group, me, now, tonumber(args[6])) and -1 or -2, last_id(ready), {}}
  end
  if free_now then
    due = due + #entries * each
    redis.call('SET', derived_key(ready, 'rate'), string.format('%.3f', due), 'PX', whole(math.ceil(due - now) + 1000))
    pass_watch(ready, group, me)
  end
  return {-1, '', entries}
end

register('fetch', fetch, {'allow-oom'})
