--[[
Find attempts without results in bounded work: each full block is inspected once. Unfinished blocks before the low-water
mark are in the sorted set `late`; blocks from the mark on have not been inspected.
]]

local function is_finished(prefix, block)
  local attempts = records_of(prefix .. 'a:' .. block, 1)
  return attempts <= 0 or attempts <= records_of(prefix .. 'r:' .. block, 0)
end

-- advance: KEYS arrivals, low-water, late; ARGV maximum number of blocks. Advances the low-water mark over full blocks,
-- which receive no more attempts, and records unfinished ones. Returns {low-water mark, arrivals}.
local function advance(keys, args)
  local arrivals, low_water, late = unpack(keys)
  local prefix = prefix_of(arrivals)
  check_type(late, 'zset')
  local arrived = tonumber(redis.call('GET', arrivals) or 0)
  local start = tonumber(redis.call('GET', low_water) or 0)
  local stop = min(floor(arrived / BLOCK_SIZE), start + tonumber(args[1]))
  for block = start, stop - 1 do
    local name = numeral(block)
    if not is_finished(prefix, name) then
      redis.call('ZADD', late, block, name)
    end
  end
  if stop > start then
    redis.call('SET', low_water, numeral(stop))
  end
  return {max(start, stop), string.format('%.0f', arrived)}
end

-- settle: KEYS arrivals, late; ARGV blocks. Removes finished blocks from `late`; returns their number.
local function settle(keys, args)
  local prefix, settled = prefix_of(keys[1]), 0
  for i = 1, #args do
    if is_finished(prefix, args[i]) then
      settled = settled + redis.call('ZREM', keys[2], args[i])
    end
  end
  return settled
end

-- requeue: KEYS arrivals, stream, requeued; ARGV head, attempt ids (16 bytes each). Queues one message per existing
-- attempt and records time and count by the whole id. Returns the number queued.
local function requeue(keys, args)
  local arrivals, stream, requeued = unpack(keys)
  local prefix, head, ids = prefix_of(arrivals), unpack(args)
  if #ids % ID_BYTES ~= 0 then
    return redis.error_reply('ERR attempt ids are 16 bytes each')
  end
  check_type(stream, 'stream')
  check_type(requeued, 'hash')
  local queued = 0
  for start = 1, #ids, ID_BYTES do
    local id = sub(ids, start, start + ID_BYTES - 1)
    if random_at(prefix, arrival_in(id, RANDOM_BYTES + 1)) == sub(id, 1, RANDOM_BYTES) then
      local count = tonumber(string.match(redis.call('HGET', requeued, id) or '0:0', ':(%d+)$'))
      local entry = append_message(stream, head, id, '')
      redis.call('HSET', requeued, id, string.match(entry, '^%d+') .. ':' .. (count + 1))
      queued = queued + 1
    end
  end
  return queued
end

register('advance', advance, {'allow-oom'})
register('settle', settle, {'allow-oom'})
register('requeue', requeue, {'allow-oom'})
