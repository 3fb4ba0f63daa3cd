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
-- arguments to one redis.call: Lua's stack ends near 8,000
local UNPACK_LIMIT = 4000
-- numbers read by one struct.unpack: it has room for some 200 on the stack
local NUMBERS_AT_ONCE = 128
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

-- The random bytes of the id at an arrival number; nil if there is no attempt.
local function random_at(prefix, arrival)
  local ids = redis.call('HGET', prefix .. 'a:' .. floor(arrival / BLOCK_SIZE), IDS_FIELD)
  local slot = arrival % BLOCK_SIZE
  return ids and #ids >= (slot + 1) * RANDOM_BYTES and sub(ids, slot * RANDOM_BYTES + 1, (slot + 1) * RANDOM_BYTES) or nil
end
