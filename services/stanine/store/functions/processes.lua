--[[
The processes of a namespace: a hash `processes` of random names -> time (ms), a blank, and a record that is opaque to
the functions. Each process writes its own every few seconds; those that stopped doing so are removed by the others.
]]

-- note_process: KEYS processes; ARGV name, record, ms after which a silent process is removed.
local function note_process(keys, args)
  check_type(keys[1], 'hash')
  local now = server_ms()
  local found = redis.call('HGETALL', keys[1])
  for i = 1, #found, 2 do
    if tonumber(string.match(found[i + 1], '^%d+') or 0) < now - tonumber(args[3]) then
      redis.call('HDEL', keys[1], found[i])
    end
  end
  redis.call('HSET', keys[1], args[1], numeral(now) .. ' ' .. args[2])
  return 1
end

register('note_process', note_process, {'allow-oom'})
