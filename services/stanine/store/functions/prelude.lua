#!lua name=stanine_store_@VERSION@
--[[
The store's Redis Functions: every write to a record, each with the message about it in the same step.

Rules: Lua has no rollback, so everything is validated before the first write. Keys are passed in KEYS, or derived from one of them within its
hash tag. A function takes random bytes as arguments, and the time from the server. No function logs data. Numbers in records are big-endian.
Whatever is identified, is identified by a random id or a digest: an arrival number only says where a record lies, because a server that comes
back with older data gives the same number again.

Words between @ are filled in from Python (stanine.store.keys, stanine.store.records).
]]

local BLOCK_SIZE = @BLOCK_SIZE@
-- arrival numbers a chunk of the commit log, and bytes each
local CHUNK_SIZE, ARRIVAL_BYTES = @CHUNK_SIZE@, @ARRIVAL_BYTES@
local LAST_ARRIVAL = 2 ^ (8 * ARRIVAL_BYTES) - 1
-- an attempt's id: random bytes (the partition in the low half of the first), then the arrival number
local RANDOM_BYTES, ID_BYTES = @RANDOM_BYTES@, @RANDOM_BYTES@ + @ARRIVAL_BYTES@
local TIME_BYTES = @TIME_BYTES@
-- the field of a block of attempts that has the random bytes of all its ids, one slot after the other
local IDS_FIELD = '@IDS_FIELD@'
-- the field of a block that has the records of all its slots, if one call wrote them: a run (stanine.store.blocks)
local RUN_FIELD, RUN_LIMIT = '@RUN_FIELD@', @RUN_LIMIT@
-- arguments to one redis.call: Lua's stack ends near 8,000
local UNPACK_LIMIT = 4000
-- numbers read by one struct.unpack: it has room for some 200 on the stack
local NUMBERS_AT_ONCE = 128
-- in an entry of a key, instead of an arrival number: its attempt was erased
local ERASED_ARRIVAL = '\255\255\255\255\255'
-- how long a call without keys is remembered: a client repeats a call for some 30 s
local REMEMBER_SECONDS = 60

-- Lua's own functions, as locals: a name is looked up in the global table otherwise, at each use. There are none while a library is loaded.
local sub, byte, char, floor, min, max, concat
-- The slots of a block as texts, and all bytes: to look one up is cheaper than to write a number.
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

-- The prefix of all keys of a partition: KEYS[1] of these functions is always `<prefix>arrivals`.
local function prefix_of(arrivals_key)
  return sub(arrivals_key, 1, -9)
end

-- The server's time, in milliseconds.
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

-- The numbers of `width` bytes in a text. Many at once: a call for each would cost more than the rest of a commit.
local function numbers_in(packed, width)
  local count, found = #packed / width, {}
  for start = 1, count, NUMBERS_AT_ONCE do
    local stop = min(start + NUMBERS_AT_ONCE - 1, count)
    local some = {struct.unpack('>' .. string.rep('I' .. width, stop - start + 1), packed, (start - 1) * width + 1)}
    if stop - start + 1 == count then
      some[count + 1] = nil -- where reading ended
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

-- The run of a whole block, or nil if it would be longer than RUN_LIMIT. `head`: what all records begin with; `record_bytes`: of each without
-- its head, 0 if they differ; `records`: the records without their heads, one after the other; `ends`: where each ends among them (a list),
-- if they differ in length.
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

-- The record of a slot in a run; nil if the run is damaged so that there is none. It never fails.
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

-- How many records a block has. `others`: fields that are no records.
local function records_of(key, others)
  local fields = redis.call('HLEN', key) - others
  return fields == 1 and redis.call('HEXISTS', key, RUN_FIELD) == 1 and BLOCK_SIZE or fields
end

-- The random bytes of the id at an arrival number; nil if there is no attempt.
local function random_at(prefix, arrival)
  local ids = redis.call('HGET', prefix .. 'a:' .. floor(arrival / BLOCK_SIZE), IDS_FIELD)
  local slot = arrival % BLOCK_SIZE
  return ids and #ids >= (slot + 1) * RANDOM_BYTES and sub(ids, slot * RANDOM_BYTES + 1, (slot + 1) * RANDOM_BYTES) or nil
end
