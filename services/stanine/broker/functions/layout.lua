#!lua name=stanine_broker_@VERSION@
--[[ What the broker does in Redis, each function in one step (stanine/broker/queue.py calls them; nobody else does).

Keys of a queue (stanine/broker/keys.py), all with one hash tag; those above the line are passed in KEYS, the others derived from them:
  ready     stream   what waits and, in the group's pending list, what is in flight; settled entries are deleted
  delayed   zset     score: when due (ms), member: a packed entry
  dead      stream   what was given up, with its reason
  leases    zset     consumer -> when its lease ends (ms). Present = may settle; taken over = removed. '@renewed': the last renewal by anyone
  settings  hash     written by the bootstrap; its field `state` by whoever pauses, drains or resumes; `managedBy`, `managedUntil`: the
                     resource that alone may do so (connection/managing.lua); `handled…`: the last tokens of its requests at large
  --------
  deaths    hash     reason -> how many messages were ever given up for it
  rate      string   when the messages handed out so far would all have been due at the queue's rate (ms)
  watch     string   who of a limited queue's idle consumers waits for work, and until when (ms)
  bell      stream   one entry wakes one of the others
  orphans   zset     consumer without a lease that left entries pending -> how many when it was noted; '@scanned': the last look at all (ms)
  tick      string   the id of the tick in `ready`, if there is one
  sent:…    string   of a producer: the number, and what it came to, of the last call that it made (packed); forgotten after SENT_MS
  unique    zset     digest of a deduplication key -> until when no second message is taken (ms; +inf: until the first is done)
  holders   hash     digest of a simple key -> token of the message that holds it, and where that is; '@at': where tidying goes on
  debounced hash     digest of a deduplication key -> the member of `delayed` that the next message with this key replaces
  requests  hash     token -> what a purge or re-queueing at large has come to (packed)

Rules: validate before the first write (there is no rollback); whoever is not in `leases` changes nothing (the fence); retry, release and
rejection act only where XACK returned 1; time is the server's; `unpack` gets at most CHUNK values. What settles work may run when memory
is full (allow-oom), what brings new work may not.
]]

--- Values handed to one call: Lua's stack holds about 8,000.
local CHUNK = 4000
--- Of a limited rate, a reader takes what comes in so many ms at once (or half a burst) rather than ask for each message: few calls.
local RATE_PAUSE = 20
--- Bytes of entries that one call looks at, about: less than a millisecond of the server's time. One larger entry is looked at, too.
local BYTES = 512 * 1024
--- Entries of a stream read at once while walking.
local LARGEST_STEP = 64
--- How the token of a debounced message begins; the rest is the digest of its key.
local DEBOUNCED = 'debounced:'
--- Requests remembered after they are done, so that the same token never acts again.
local REQUESTS_KEPT = 1000
--- The member of `leases` that tells when anyone last renewed. Consumer names never begin with '@'.
local RENEWED = '@renewed'

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

--- A whole number as text: Lua's own tostring would write 1.7e+12.
local function whole(number)
  return string.format('%.0f', number)
end

--- Another key of the queue that a key belongs to.
local function beside(key, part)
  return (string.gsub(key, '[^:]+$', part))
end

--- Running, Paused or Draining (stanine/broker/state.py); what is none of them counts as Running, and consumers complain.
local function state_of(key)
  local state = redis.call('HGET', beside(key, 'settings'), 'state')
  return (state == 'Paused' or state == 'Draining') and state or 'Running'
end

local function demand(key, wanted)
  local got = redis.call('TYPE', key)['ok']
  if got ~= wanted and got ~= 'none' then
    error({err = 'WRONGTYPE the key ' .. key .. ' holds a ' .. got .. ' where the queue keeps a ' .. wanted})
  end
end

-- The layout of an entry: fields h (head), i (ids), t (traceparent), n (earlier deliveries, when > 0), c (created, ms, when not its id's),
-- u (digest of the deduplication key that it holds until it is done, and its own token).
-- The other place that knows it is stanine/broker/entry.py.

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

--- How many more to read at once: twice as many as before, but not more than are likely to fit.
local function next_step(step, bytes, largest)
  return math.max(1, math.min(step * 2, LARGEST_STEP, math.floor((BYTES - bytes) / math.max(1, largest))))
end

--- Visit entries of a stream in order, at most `limit` and about BYTES of them; `visit` returns false to stop before an entry.
--- Returns how many were visited, and whether that were all.
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

--- A member of `delayed`. The token makes members of equal content distinct, and the same request sent twice one member; a new message
--- therefore holds its delay instead of the moment it was created, which is that much before it is due.
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

--- Milliseconds until the next is due; -1 if there is none, or if it stays because the queue is paused.
local function wait_until_due(delayed, now)
  if state_of(delayed) == 'Paused' then return -1 end
  local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if not first[2] then return -1 end
  return math.max(0, tonumber(first[2]) - now)
end

--- The id of the tick that lies in `ready`, if there is one, and whether it is in flight.
local function tick_of(ready, group)
  local id = redis.call('GET', beside(ready, 'tick'))
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

--- Register a function; each part of the library ends with its own.
local function register(name, callback, flags)
  redis.register_function({function_name = 'stanine_broker_' .. name .. '_@VERSION@', callback = callback, flags = flags})
end
