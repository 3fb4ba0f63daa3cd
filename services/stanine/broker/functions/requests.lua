-- Requests on whole queues: purge and requeue. Part of layout.lua's library. Each has a token and covers the messages
-- present at its first call; it may take several calls, each continuing the previous one. Repeated after completion, it
-- only returns the result.

--- Deduplication keys checked per call after their messages may have been deleted.
local KEYS_CHECKED = 300

--- Delete entries that wait and are not in flight. True when done.
local function purge_ready(keys, request, group, limit)
  local ids = {}
  local _, all = walk(keys[1], '(' .. last_delivered(keys[1], group), request.upto, limit, function(row)
    ids[#ids + 1] = row[1]
    local entry = read_entry(row[1], row[2])
    if entry.h then request.count = request.count + 1 end
    release_key(keys[1], entry)
  end)
  if #ids > 0 then redis.call('XDEL', keys[1], unpack(ids)) end
  return all
end

--- Delete all delayed messages in the first call; later ones are kept. Their deduplication keys are released over
--- several calls.
local function purge_delayed(keys, request)
  if not request.at then
    request.count, request.at = redis.call('ZCARD', keys[2]), 0
    redis.call('UNLINK', keys[2], derived_key(keys[2], 'debounced'))
  end
  request.at = clean_from(keys[1], request.at, KEYS_CHECKED, now_ms())
  return not request.at
end

--- Delete or requeue the dead letters of a reason and an actor ('': any). True when done.
local function filter_dead(keys, request, limit, revives)
  local _, all = walk(keys[3], '(' .. request.after, request.upto, limit, function(row)
    local letter = flat_to_table(row[2])
    if (request.reason == '' or letter.reason == request.reason) and (request.actor == '' or letter.actor == request.actor) then
      if revives then revive_one(keys[1], keys[3], row[1], letter) else redis.call('XDEL', keys[3], row[1]) end
      request.count = request.count + 1
    end
    request.after = row[1]
  end)
  return all
end

local function forget_oldest_request(requests)
  local oldest, at = nil, math.huge
  local all = redis.call('HGETALL', requests)
  for each = 1, #all, 2 do
    local request = cmsgpack.unpack(all[each + 1])
    if request.begun < at then oldest, at = all[each], request.begun end
  end
  redis.call('HDEL', requests, oldest)
end

--- KEYS ready delayed dead; ARGV token ('~…': not remembered) action group limit reason actor
--- -> {1 if done, messages so far, 1 if this call began it}; {-1} if the token was used for another request
local function carry_out(keys, args)
  local token, action, limit = args[1], args[2], tonumber(args[4])
  local requests = derived_key(keys[1], 'requests')
  require_type(keys[1], 'stream')
  require_type(keys[2], 'zset')
  require_type(keys[3], 'stream')
  require_type(requests, 'hash')
  local known = redis.call('HGET', requests, token)
  local request = known and cmsgpack.unpack(known)
  if not request then
    request = {action = action, reason = args[5], actor = args[6], count = 0, after = '0-0', done = false, begun = now_ms()}
    request.upto = last_id(action == 'purge ready' and keys[1] or keys[3])
  end
  if request.action ~= action or request.reason ~= args[5] or request.actor ~= args[6] then return {-1} end
  if not request.done then
    if action == 'purge ready' then
      request.done = purge_ready(keys, request, args[3], limit)
    elseif action == 'purge delayed' then
      request.done = purge_delayed(keys, request)
    else
      request.done = filter_dead(keys, request, limit, action == 'requeue dead')
    end
    if request.done and string.sub(token, 1, 1) == '~' then
      redis.call('HDEL', requests, token)
    else
      redis.call('HSET', requests, token, cmsgpack.pack(request))
      if not known and redis.call('HLEN', requests) > REQUESTS_KEPT then forget_oldest_request(requests) end
    end
  end
  return {request.done and 1 or 0, request.count, known and 0 or 1}
end

--- The result of a request. KEYS ready; ARGV token -> {action, 1 if it is done, messages so far}; {} if the token is
--- unknown
local function recall(keys, args)
  local known = redis.call('HGET', derived_key(keys[1], 'requests'), args[1])
  if not known then return {} end
  local request = cmsgpack.unpack(known)
  return {request.action, request.done and 1 or 0, request.count}
end

register('recall', recall, {'no-writes'})
register('requeue', carry_out, {})
register('purge', carry_out, {'allow-oom'})
