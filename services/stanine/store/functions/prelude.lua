#!lua name=stanine_store_@VERSION@
--[[
The store's Redis Functions: each writes a record and its message atomically.

Rules: Lua has no rollback, so validation precedes the first write. Keys are passed in KEYS or derived from one of them
within its hash tag. Random bytes are arguments; the time is the server's. No function logs data. Numbers in records are
big-endian. Identity is a random id or a digest: an arrival number only locates a record, because a server that restarts
with older data assigns it again.

@NAME@ placeholders are filled in from Python (stanine.store.keys, stanine.store.records).
]]

local BLOCK_SIZE = @BLOCK_SIZE@
-- Arrival numbers per chunk of the commit log, and bytes of each.
local CHUNK_SIZE, ARRIVAL_BYTES = @CHUNK_SIZE@, @ARRIVAL_BYTES@
local LAST_ARRIVAL = 2 ^ (8 * ARRIVAL_BYTES) - 1
-- An attempt's id: random bytes (the partition in the low half of the first), then the arrival number.
local RANDOM_BYTES, ID_BYTES = @RANDOM_BYTES@, @RANDOM_BYTES@ + @ARRIVAL_BYTES@
local TIME_BYTES = @TIME_BYTES@
-- Field of a block of attempts with the random bytes of its ids, by slot.
local IDS_FIELD = '@IDS_FIELD@'
-- Field of a block with the records of all slots, if one call wrote them: a run (stanine.store.blocks).
local RUN_FIELD, RUN_LIMIT = '@RUN_FIELD@', @RUN_LIMIT@
-- Arguments per redis.call: Lua's stack is limited to about 8,000.
local UNPACK_LIMIT = 4000
-- Numbers per struct.unpack: its stack has room for about 200.
local NUMBERS_AT_ONCE = 128
-- How long a call without keys is recognised; clients retry for about 30 s.
local REMEMBER_SECONDS = 60

-- Lua's functions as locals, which saves a global lookup per use. They are not available while a library is loaded.
local sub, byte, char, floor, min, max, concat
-- Precomputed slot names and bytes: faster than formatting numbers.
local SLOTS, CHARS = {}, {}

local function bind()
  sub, byte, char = string.sub, string.byte, string.char
  floor, min, max, concat = math.floor, math.min, math.max, table.concat
  for slot = 0, BLOCK_SIZE - 1 do
    SLOTS[slot] = '' .. slot
  end
  for code = 0, 255 do
    CHARS[code] = char(code)
  end
end

local function hex(text)
  return (string.gsub(text, '.', function(one)
    return string.format('%02x', byte(one))
  end))
end

local function register(name, callback, flags)
  local function call(keys, args)
    if not sub then
      bind()
    end
    return callback(keys, args)
  end
  redis.register_function{function_name = name .. '_@VERSION@', callback = call, flags = flags}
end

-- Prefix of a partition's keys: KEYS[1] of these functions is always `<prefix>arrivals`.
local function prefix_of(arrivals_key)
  return sub(arrivals_key, 1, -9)
end

-- The server's time in milliseconds.
local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + floor(time[2] / 1000)
end

local function check_type(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= wanted then
    error({err = 'WRONGTYPE the key ' .. key .. ' holds a ' .. found .. ', not a ' .. wanted})
  end
end

local function append_message(stream, head, ids, trace)
  if trace == '' then
    return redis.call('XADD', stream, '*', 'h', head, 'i', ids)
  end
  return redis.call('XADD', stream, '*', 'h', head, 'i', ids, 't', trace)
end

local function arrival_text(arrival)
  return struct.pack('>I' .. ARRIVAL_BYTES, arrival)
end

local function arrival_in(text, at)
  return (struct.unpack('>I' .. ARRIVAL_BYTES, text, at))
end

-- Decode numbers of `width` bytes, in groups: one call per number would dominate the cost of a commit.
local function numbers_in(packed, width)
  local count, found = #packed / width, {}
  for start = 1, count, NUMBERS_AT_ONCE do
    local stop = min(start + NUMBERS_AT_ONCE - 1, count)
    local some = {struct.unpack('>' .. string.rep('I' .. width, stop - start + 1), packed, (start - 1) * width + 1)}
    if stop - start + 1 == count then
      some[count + 1] = nil -- position after the last number
      return some
    end
    for i = start, stop do
      found[i] = some[i - start + 1]
    end
  end
  return found
end

local function arrivals_in(packed)
  return numbers_in(packed, ARRIVAL_BYTES)
end

-- Return the run of a full block, or nil if it exceeds RUN_LIMIT. `head`: common prefix of the records; `record_bytes`:
-- bytes of each without it, 0 if they differ; `records`: the concatenated records without prefix; `ends`: their end
-- offsets (a list), if their lengths differ.
local function run_of(head, record_bytes, records, ends)
  if #records > RUN_LIMIT then
    return nil
  end
  local start = CHARS[#head] .. head .. struct.pack('>I3', record_bytes)
  if record_bytes == 0 then
    return start .. struct.pack('>' .. string.rep('I3', BLOCK_SIZE), unpack(ends, 1, BLOCK_SIZE)) .. records
  end
  return start .. records
end

-- Return the record of a slot in a run; nil if a damaged run lacks it. Never fails.
local function in_run(run, slot)
  local head_bytes = byte(run, 1)
  local start = head_bytes and head_bytes + 4
  if not start or #run < start + BLOCK_SIZE then
    return nil
  end
  local head, record_bytes = sub(run, 2, head_bytes + 1), struct.unpack('>I3', run, head_bytes + 2)
  local from, to = slot * record_bytes, (slot + 1) * record_bytes
  if record_bytes == 0 then
    if #run < start + BLOCK_SIZE * 3 then
      return nil
    end
    from = slot > 0 and struct.unpack('>I3', run, start + slot * 3 - 2) or 0
    to = struct.unpack('>I3', run, start + slot * 3 + 1)
    start = start + BLOCK_SIZE * 3
  end
  return #run >= start + to and head .. sub(run, start + from + 1, start + to) or nil
end

-- Return the number of records of a block. `others`: number of fields that are not records.
local function records_of(key, others)
  local fields = redis.call('HLEN', key) - others
  return fields == 1 and redis.call('HEXISTS', key, RUN_FIELD) == 1 and BLOCK_SIZE or fields
end

-- Return the random bytes of the id at an arrival number; nil if there is no attempt.
local function random_at(prefix, arrival)
  local ids = redis.call('HGET', prefix .. 'a:' .. floor(arrival / BLOCK_SIZE), IDS_FIELD)
  local slot = arrival % BLOCK_SIZE
  return ids and #ids >= (slot + 1) * RANDOM_BYTES and sub(ids, slot * RANDOM_BYTES + 1, (slot + 1) * RANDOM_BYTES) or nil
end
