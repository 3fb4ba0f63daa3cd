--[[
Lists of results in commit order, read atomically with their attempts. `views`: the index view used by the caller. Both
functions return {attempt id, attempt record or nil, result record or nil, its history or nil, …} from a position (from
0).
]]

local function with_records(prefix, packed)
  local arrivals, found, k = arrivals_in(packed), {}, 0
  local j = 1
  while j <= #arrivals do
    local block, slots = floor(arrivals[j] / BLOCK_SIZE), {IDS_FIELD, RUN_FIELD}
    while arrivals[j] and floor(arrivals[j] / BLOCK_SIZE) == block and #slots < UNPACK_LIMIT do
      slots[#slots + 1] = SLOTS[arrivals[j] % BLOCK_SIZE]
      j = j + 1
    end
    local attempts = redis.call('HMGET', prefix .. 'a:' .. numeral(block), unpack(slots))
    local results = redis.call('HMGET', prefix .. 'r:' .. numeral(block), unpack(slots))
    local histories = redis.call('HMGET', prefix .. 'h:' .. numeral(block), unpack(slots))
    local ids = attempts[1] or ''
    for s = 3, #slots do
      local at, slot = k / 4 * ARRIVAL_BYTES, tonumber(slots[s])
      local random = sub(ids, slot * RANDOM_BYTES + 1, (slot + 1) * RANDOM_BYTES)
      found[k + 1] = random .. sub(packed, at + 1, at + ARRIVAL_BYTES)
      found[k + 2] = attempts[s] or (attempts[2] and in_run(attempts[2], slot))
      found[k + 3] = results[s] or (results[2] and in_run(results[2], slot))
      found[k + 4] = histories[s]
      k = k + 4
    end
  end
  return found
end

-- list_results: KEYS arrivals; ARGV views, instrument number, position, limit
local function list_results(keys, args)
  local prefix, number = prefix_of(keys[1]), args[2]
  local position, most, packed = tonumber(args[3]), tonumber(args[4]), ''
  local stale = stale_view(prefix, args[1])
  if stale then
    return stale
  end
  while most > 0 do
    local from = position % CHUNK_SIZE
    local fits = min(most, CHUNK_SIZE - from)
    local key = prefix .. 'c:' .. number .. ':' .. numeral(floor(position / CHUNK_SIZE))
    local part = redis.call('GETRANGE', key, from * ARRIVAL_BYTES, (from + fits) * ARRIVAL_BYTES - 1)
    packed = packed .. part
    if #part < fits * ARRIVAL_BYTES then
      break
    end
    most, position = most - fits, position + fits
  end
  return with_records(prefix, packed)
end

-- list_participant: KEYS arrivals; ARGV views, fingerprint, position, limit
local function list_participant(keys, args)
  local prefix, fingerprint = prefix_of(keys[1]), args[2]
  local position, most = tonumber(args[3]), tonumber(args[4])
  local stale = stale_view(prefix, args[1])
  if stale then
    return stale
  end
  local first = redis.call('HGET', bucket_of(open_index(prefix, 'p'), fingerprint), fingerprint)
  if not first then
    return {}
  end
  local person = read_lists(prefix, arrival_in(first, 1))
  local parts, size = {}, 0
  for page = floor(position / PAGE_SIZE), person.r.pages do
    if size >= most * ARRIVAL_BYTES then
      break
    end
    local whole = page < person.r.pages and redis.call('GET', page_key(prefix, person, 'r', page)) or person.r.tail
    local from = max(0, position - page * PAGE_SIZE)
    local part = sub(whole, from * ARRIVAL_BYTES + 1, from * ARRIVAL_BYTES + most * ARRIVAL_BYTES - size)
    parts[#parts + 1], size = part, size + #part
  end
  return with_records(prefix, concat(parts))
end

register('list_results', list_results, {'no-writes'})
register('list_participant', list_participant, {'no-writes'})
