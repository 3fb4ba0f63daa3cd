#!lua name=stanine_broker_@VERSION@
--[[ The broker's Redis functions, each of which is atomic. Called only by stanine/broker/queue.py.

Keys of a queue (stanine/broker/keys.py), all with one hash tag; those above the line are passed in KEYS, the others
are derived from them:
  ready     stream   waiting entries and, in the group's pending list, entries in flight; settled entries are deleted
  delayed   zset     score: due time (ms), member: a packed entry
  dead      stream   dead letters with their reasons
  leases    zset     consumer -> expiry of its lease (ms). Only a member may settle; a takeover removes it.
                     '@renewed': the last renewal of any lease
  settings  hash     written by the bootstrap; its field `state` by pause, drain and resume; `managedBy`,
                     `managedUntil`: the owner that reserves both (connection/ownership.lua); `handled…`: the last
                     handled tokens of its requests
  --------
  deaths    hash     reason -> number of messages ever dead-lettered for it
  rate      string   when the messages delivered so far would all have been due at the queue's rate (ms)
  watch     string   the idle consumer of a rate-limited queue that waits for work, and until when (ms)
  bell      stream   an entry wakes one of the other idle consumers
  orphans   zset     consumer without a lease that left entries pending -> their number when it was recorded;
                     '@scanned': the last scan of all consumers (ms)
  tick      string   the id of the tick in `ready`, if any
  sent:…    string   number and result of a producer's last call (packed); expires after SENT_MS
  unique    zset     digest of a deduplication key -> until when it blocks messages (ms; +inf: until the first is done)
  holders   hash     digest of a simple key -> token and place of the message that holds it; '@at': cleanup position
  debounced hash     digest of a deduplication key -> the member of `delayed` that the next message replaces
  requests  hash     token -> progress and result of a purge or requeue (packed)

Rules: validate before the first write (there is no rollback); a consumer that is not in `leases` changes nothing
(fencing); retry, release and rejection act only if XACK returned 1; time is the server's; `unpack` receives at most
CHUNK values. Functions that settle may run when memory is full (allow-oom); functions that enqueue may not.
]]

--- Maximum of values per call: Lua's stack holds about 8,000.
local CHUNK = 4000
--- Under a rate limit, a reader fetches the messages of this many ms at once (or half a burst), to save calls.
local RATE_PAUSE = 20
--- Approximate bytes of entries read per call: less than a millisecond of server time. One larger entry is read, too.
local BYTES = 512 * 1024
--- Entries read at once while walking a stream.
local LARGEST_STEP = 64
--- Prefix of a debounced message's token; the rest is the digest of its key.
local DEBOUNCED = 'debounced:'
--- Completed requests remembered, so that the same token never acts again.
local REQUESTS_KEPT = 1000
--- The member of `leases` that stores the time of the last renewal. Consumer names never begin with '@'.
local RENEWED = '@renewed'

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

--- A whole number as text: Lua's tostring would write 1.7e+12.
local function whole(number)
  return string.format('%.0f', number)
end

--- Another key of the same queue.
local function derived_key(key, part)
  return (string.gsub(key, '[^:]+$', part))
end

--- Running, Paused or Draining (stanine/broker/state.py); an unknown state counts as Running, and consumers log an
--- error.
local function state_of(key)
  local state = redis.call('HGET', derived_key(key, 'settings'), 'state')
  return (state == 'Paused' or state == 'Draining') and state or 'Running'
end

local function require_type(key, wanted)
  local got = redis.call('TYPE', key)['ok']
  if got ~= wanted and got ~= 'none' then
    error({err = 'WRONGTYPE the key ' .. key .. ' has type ' .. got .. ', the queue expects ' .. wanted})
  end
end

-- The layout of an entry: fields h (head), i (ids), t (traceparent), n (earlier deliveries, when > 0), c (created, ms,
-- if it differs from the id's time), u (digest of the deduplication key that it holds until it is done, and its own
-- token). stanine/broker/entry.py implements the same layout.

local function read_entry(id, flat)
  local entry = {}
  for at = 1, #flat, 2 do entry[flat[at]] = flat[at + 1] end
  if not tonumber(entry.c) then entry.c = string.match(id, '^(%d+)-') end
  return entry
end

local function new_entry(head, ids, trace)
  return {h = head, i = ids ~= '' and ids or nil, t = trace ~= '' and trace or nil}
end

local function append(key, entry, more)
  local words = more or {'*'}
  for _, name in ipairs({'h', 'i', 't', 'n', 'c', 'u'}) do
    local value = entry[name]
    if value and not (name == 'n' and tonumber(value) == 0) then
      words[#words + 1] = name
      words[#words + 1] = value
    end
  end
  return redis.call('XADD', key, unpack(words))
end

local function sizes_of(flat)
  local bytes = 0
  for _, text in ipairs(flat) do bytes = bytes + #text end
  return bytes
end

--- The number of entries to read next: twice as many as before, but not more than are likely to fit.
local function next_step(step, bytes, largest)
  return math.max(1, math.min(step * 2, LARGEST_STEP, math.floor((BYTES - bytes) / math.max(1, largest))))
end

--- Visit entries of a stream in order, at most `limit` and about BYTES of them; `visit` returns false to stop before an
--- entry. Returns the number of visited entries, and whether these were all.
local function walk(key, from, to, limit, visit)
  local step, seen, bytes, largest = 1, 0, 0, 0
  while seen < limit and bytes < BYTES do
    local asked = math.min(step, limit - seen)
    local rows = redis.call('XRANGE', key, from, to, 'COUNT', asked)
    for _, row in ipairs(rows) do
      if visit(row) == false then return seen, false end
      local size = sizes_of(row[2])
      seen, bytes, largest = seen + 1, bytes + size, math.max(largest, size)
    end
    if #rows < asked then return seen, true end
    from, step = '(' .. rows[#rows][1], next_step(step, bytes, largest)
  end
  return seen, false
end

--- A member of `delayed`. The token distinguishes members of equal content, and makes a repeated request produce the
--- same member. A new message therefore stores its delay instead of its creation time, which is the due time minus the
--- delay.
local function pack_entry(token, entry, delay)
  return cmsgpack.pack({token, entry.h or '', entry.i or false, entry.t or false, tonumber(entry.n) or 0, tonumber(entry.c) or false, delay or 0,
    entry.u or false})
end

local function unpack_entry(member, due)
  local good, packed = pcall(cmsgpack.unpack, member)
  if not good or type(packed) ~= 'table' or type(packed[2]) ~= 'string' then return nil end
  local entry = {h = packed[2], i = packed[3] or nil, t = packed[4] or nil, n = packed[5], u = packed[8] or nil}
  entry.c = whole(packed[6] or tonumber(due) - packed[7])
  if string.sub(packed[1], 1, #DEBOUNCED) == DEBOUNCED then entry.debounced = string.sub(packed[1], #DEBOUNCED + 1) end
  return entry
end

--- Milliseconds until the next is due; -1 if there is none, or if the queue is paused.
local function wait_until_due(delayed, now)
  if state_of(delayed) == 'Paused' then return -1 end
  local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if not first[2] then return -1 end
  return math.max(0, tonumber(first[2]) - now)
end

--- The id of the tick in `ready`, if any, and whether it is in flight.
local function tick_of(ready, group)
  local id = redis.call('GET', derived_key(ready, 'tick'))
  if not id or #redis.call('XRANGE', ready, id, id) == 0 then return nil, false end
  local pending = redis.pcall('XPENDING', ready, group, id, id, 1)
  return id, not pending['err'] and #pending > 0
end

local function is_fenced(leases, consumer)
  return redis.call('ZSCORE', leases, consumer) == false
end

local function entry_in(ready, id)
  local found = redis.call('XRANGE', ready, id, id)
  if not found[1] then return nil end
  return read_entry(id, found[1][2])
end

--- Acknowledge and delete one entry; true if it was pending.
local function settle_one(ready, group, id)
  if redis.call('XACK', ready, group, id) ~= 1 then return false end
  redis.call('XDEL', ready, id)
  return true
end

local function flat_to_table(flat)
  local out = {}
  for at = 1, #flat, 2 do out[flat[at]] = flat[at + 1] end
  return out
end

--- The last id that a stream ever had.
local function last_id(key)
  local info = redis.pcall('XINFO', 'STREAM', key)
  return info['err'] and '0-0' or flat_to_table(info)['last-generated-id']
end

--- Register a function; called at the end of each part of the library.
local function register(name, callback, flags)
  redis.register_function({function_name = 'stanine_broker_' .. name .. '_@VERSION@', callback = callback, flags = flags})
end
