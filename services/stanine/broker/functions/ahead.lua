-- Inspection of undelivered entries: for purges, and to fetch from queues with both plain and batch messages. Part of
-- layout.lua's library.

--- The id after which entries were never delivered.
local function last_delivered(ready, group)
  local groups = redis.pcall('XINFO', 'GROUPS', ready)
  for _, flat in ipairs(groups['err'] and {} or groups) do
    local info = flat_to_table(flat)
    if info['name'] == group then return info['last-delivered-id'] end
  end
  return '0-0'
end

--- How many of the next entries fit into `slots` calls: a plain message takes one call, up to `merge` messages to the
--- same batch actor share one.
local function fitting(ready, group, most, slots, merge)
  local like, room = nil, 0
  return (walk(ready, '(' .. last_delivered(ready, group), '+', most, function(row)
    local entry = read_entry(row[1], row[2])
    if not entry.h then return true end -- a tick
    local sort = entry.i and entry.h .. ' ' .. (entry.n or 0)
    if sort and sort == like and room > 0 then
      room = room - 1
    elseif slots > 0 then
      slots, like, room = slots - 1, sort, (entry.n and 1 or merge) - 1
    else
      return false
    end
    return true
  end))
end
