--[[
An instrument's attempts in order of arrival, with or without a result.

`b:<number>:<chunk>` contains the blocks that have attempts of an instrument, in ascending order, `blocks` their number
per instrument, and `listed` the first block that is not in these lists. They are derived from the records by
`index_blocks` and only save reading the blocks of other instruments: `list_attempts` reads every block from `listed`
on. A submission therefore does not write them, and a process of an earlier version need not know them.
]]

-- Blocks are encoded like arrival numbers.
local BLOCK_BYTES = ARRIVAL_BYTES
local NUMBER_AT = TIME_BYTES + 2 -- of the instrument's number in a record

local function number_in(record)
  return #record >= NUMBER_AT + 2 and struct.unpack('>I3', record, NUMBER_AT) or nil
end

-- Return a function that returns a block's record of a slot (or nil), and the random bytes of its ids.
local function block_contents(key, as_run)
  local found = redis.call('HMGET', key, IDS_FIELD, RUN_FIELD, unpack(SLOTS, 0, BLOCK_SIZE - 1))
  local ids, run = found[1] or '', found[2]
  return function(slot)
    return run and in_run(run, slot) or found[slot + 3] or nil
  end, ids
end

-- Return the numbers of the instruments with attempts in a block. Erased attempts have none.
local function numbers_of_block(prefix, block)
  local record_at, numbers = block_contents(prefix .. 'a:' .. numeral(block)), {}
  for slot = 0, BLOCK_SIZE - 1 do
    local record = record_at(slot)
    local number = record and number_in(record)
    if number then
      numbers[number] = true
    end
  end
  return numbers
end

-- index_blocks: KEYS arrivals; ARGV maximum number of blocks. Lists full blocks, which receive no more attempts, under
-- their instruments. Returns the number of full blocks that are not listed yet.
local function index_blocks(keys, args)
  local prefix = prefix_of(keys[1])
  local listed, blocks = prefix .. 'listed', prefix .. 'blocks'
  check_type(listed, 'string')
  check_type(blocks, 'hash')
  local full = floor(tonumber(redis.call('GET', keys[1]) or 0) / BLOCK_SIZE)
  local start = tonumber(redis.call('GET', listed) or 0)
  local stop = min(full, start + tonumber(args[1]))
  if stop <= start then
    return 0
  end
  local added, count_of = {}, {}
  for block = start, stop - 1 do
    for number in pairs(numbers_of_block(prefix, block)) do
      added[number] = added[number] or {}
      table.insert(added[number], struct.pack('>I' .. BLOCK_BYTES, block))
    end
  end
  for number in pairs(added) do
    count_of[number] = tonumber(redis.call('HGET', blocks, number) or 0)
    check_type(prefix .. 'b:' .. number .. ':' .. numeral(floor(count_of[number] / CHUNK_SIZE)), 'string')
    check_type(prefix .. 'b:' .. number .. ':' .. numeral(floor((count_of[number] + #added[number]) / CHUNK_SIZE)), 'string')
  end

  -- Nothing may fail from here on.
  for number, packed in pairs(added) do
    local count = count_of[number]
    for _, block in ipairs(packed) do
      redis.call('APPEND', prefix .. 'b:' .. number .. ':' .. numeral(floor(count / CHUNK_SIZE)), block)
      count = count + 1
    end
    redis.call('HSET', blocks, number, numeral(count))
  end
  redis.call('SET', listed, numeral(stop))
  return full - stop
end

-- Return the index (from 0) of the first of `count` ascending numbers that is at least `wanted`; `read` returns one.
local function first_from(count, wanted, read)
  local low, high = 0, count
  while low < high do
    local middle = floor((low + high) / 2)
    if read(middle) < wanted then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- Return up to `most` blocks, from `block` to `last`, that may have attempts of an instrument.
local function blocks_from(prefix, number, block, most, last)
  local listed = tonumber(redis.call('GET', prefix .. 'listed') or 0)
  local found = {}
  if block < listed then
    local lists = prefix .. 'b:' .. number .. ':'
    local count = tonumber(redis.call('HGET', prefix .. 'blocks', number) or 0)
    local function read(index, entries)
      local from = index % CHUNK_SIZE * BLOCK_BYTES
      return redis.call('GETRANGE', lists .. numeral(floor(index / CHUNK_SIZE)), from, from + (entries or 1) * BLOCK_BYTES - 1)
    end
    local index = first_from(count, block, function(at)
      return arrival_in(read(at), 1)
    end)
    while index < count and #found < most do
      local packed = read(index, min(most - #found, CHUNK_SIZE - index % CHUNK_SIZE, count - index))
      for _, each in ipairs(arrivals_in(packed)) do
        found[#found + 1] = each
      end
      index = index + #packed / BLOCK_BYTES
    end
    block = listed
  end
  for each = block, min(last, block + most - #found - 1) do
    found[#found + 1] = each
  end
  return found
end

-- Return up to `most` arrival numbers of a participant's attempts from `position` on.
local function arrivals_of_participant(prefix, fingerprint, position, most)
  local first = redis.call('HGET', bucket_of(open_index(prefix, 'p'), fingerprint), fingerprint)
  if not first then
    return {}
  end
  local person, found = read_lists(prefix, arrival_in(first, 1)), {}
  local page = first_from(person.a.pages, position, function(at)
    return arrival_in(redis.call('GETRANGE', page_key(prefix, person, 'a', at), -ARRIVAL_BYTES, -1), 1)
  end)
  while page <= person.a.pages and #found < most do
    local packed = page < person.a.pages and redis.call('GET', page_key(prefix, person, 'a', page)) or person.a.tail
    for _, arrival in ipairs(arrivals_in(packed)) do
      if arrival >= position and #found < most then
        found[#found + 1] = arrival
      end
    end
    page = page + 1
  end
  return found
end

-- Return a function that decides whether an attempt is wanted, by its record and that of its result (or nil).
-- `from`, `to`: times (ms) or ''; `state`: '' for any, '-' without a result, else the kind of the result; `key`: as
-- in a record, without its key space, or ''.
local function filter_of(number, from, to, state, kind, key)
  number, from, to, kind = tonumber(number), tonumber(from), tonumber(to), tonumber(kind)
  return function(record, result)
    if not record or number_in(record) ~= number then
      return false
    end
    local time = struct.unpack('>I' .. TIME_BYTES, record)
    if (from and time < from) or (to and time >= to) then
      return false
    end
    if state ~= '' and (result and sub(result, 1, 1) or '-') ~= state then
      return false
    end
    if key ~= '' then
      local own, text = key_part(sub(record, TIME_BYTES + 1))
      return own == kind and sub(text, @KEY_SPACE_BYTES@ + 1) == key
    end
    return true
  end
end

-- Return the id of the attempt before a position; NULs in place of the random bytes of one that does not exist.
local function id_before(prefix, position)
  return position == 0 and '' or (random_at(prefix, position - 1) or string.rep('\0', RANDOM_BYTES)) .. arrival_text(position - 1)
end

-- list_attempts: KEYS arrivals; ARGV views, instrument number, position (arrival number), maximum number of attempts, of
-- blocks, from, to, state, kind and bytes of a key (as `filter_of`), fingerprint of a participant (or '').
-- Returns {position reached, number of arrivals, id before the position, id before the position reached}, then the id,
-- record and result (or nil) of each attempt.
local function list_attempts(keys, args)
  local prefix, number = prefix_of(keys[1]), args[2]
  local position, most, most_blocks = tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  local stale = stale_view(prefix, args[1])
  if stale then
    return stale
  end
  local wanted, arrived = filter_of(number, unpack(args, 6, 10)), tonumber(redis.call('GET', keys[1]) or 0)
  local last = floor((arrived - 1) / BLOCK_SIZE)
  local blocks, chosen, complete
  local stop = arrived
  if args[11] == '' then
    blocks = blocks_from(prefix, number, floor(position / BLOCK_SIZE), most_blocks, last)
    complete = #blocks < most_blocks
  else
    local arrivals = arrivals_of_participant(prefix, args[11], position, most_blocks)
    blocks, chosen, complete = {}, {}, #arrivals < most_blocks
    for _, arrival in ipairs(arrivals) do
      local block = floor(arrival / BLOCK_SIZE)
      if block ~= blocks[#blocks] then
        blocks[#blocks + 1] = block
      end
      chosen[arrival] = true
    end
    stop = complete and arrived or arrivals[#arrivals] + 1
  end
  local found, k, reached, full = {}, 4, position, 4 + 3 * most
  for _, block in ipairs(blocks) do
    local record_at, ids = block_contents(prefix .. 'a:' .. numeral(block))
    local result_at = block_contents(prefix .. 'r:' .. numeral(block))
    local base = block * BLOCK_SIZE
    for arrival = max(base, position), min(base + BLOCK_SIZE, stop) - 1 do
      if k == full then
        break
      end
      local slot = arrival - base
      reached = arrival + 1
      if not chosen or chosen[arrival] then
        local record, result = record_at(slot), result_at(slot)
        if wanted(record, result) then
          local random = sub(ids, slot * RANDOM_BYTES + 1, (slot + 1) * RANDOM_BYTES)
          found[k + 1], found[k + 2], found[k + 3] = random .. arrival_text(arrival), record, result or false
          k = k + 3
        end
      end
    end
    if k == full then
      complete = false
      break
    end
  end
  if complete then
    reached = max(position, arrived)
  end
  found[1], found[2] = numeral(reached), numeral(arrived)
  found[3], found[4] = id_before(prefix, position), id_before(prefix, reached)
  return found
end

register('index_blocks', index_blocks, {'allow-oom'})
register('list_attempts', list_attempts, {'no-writes'})
