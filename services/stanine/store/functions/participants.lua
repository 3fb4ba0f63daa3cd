--[[
Participants: lists of their attempts (in order of submission) and results (in commit order).

The index `p` maps a participant's fingerprint to the arrival number of the first attempt. The lists are in `l:<block>`,
a hash by that attempt's slot. A value: number of full pages of attempts (4 bytes) and of results (4), number of further
attempts (1), their arrival numbers, those of results. A page has PAGE_SIZE arrival numbers; full pages are
`l:<first>:a:<page>` and `l:<first>:r:<page>`.
]]

local PAGE_SIZE = @PAGE_SIZE@
local LISTS_HEAD = 9
local FINGERPRINT_BYTES = @FINGERPRINT_BYTES@
local PERSON_BYTES = 2 + FINGERPRINT_BYTES

local function lists_key(prefix, first)
  return prefix .. 'l:' .. numeral(floor(first / BLOCK_SIZE)), SLOTS[first % BLOCK_SIZE]
end

local function new_lists(first)
  return {first = first, a = {pages = 0, tail = ''}, r = {pages = 0, tail = ''}}
end

local function read_lists(prefix, first)
  local key, slot = lists_key(prefix, first)
  local value, lists = redis.call('HGET', key, slot), new_lists(first)
  if value then
    local attempt_pages, result_pages, listed = struct.unpack('>I4I4B', value)
    local results_at = LISTS_HEAD + listed * ARRIVAL_BYTES
    lists.a = {pages = attempt_pages, tail = sub(value, LISTS_HEAD + 1, results_at)}
    lists.r = {pages = result_pages, tail = sub(value, results_at + 1)}
  end
  return lists
end

local function page_key(prefix, lists, which, page)
  return prefix .. 'l:' .. numeral(lists.first) .. ':' .. which .. ':' .. numeral(page)
end

local function add_to_list(prefix, lists, which, stamp)
  local one = lists[which]
  one.tail = one.tail .. stamp
  if #one.tail == PAGE_SIZE * ARRIVAL_BYTES then
    redis.call('SET', page_key(prefix, lists, which, one.pages), one.tail)
    one.tail, one.pages = '', one.pages + 1
  end
end

local function write_lists(prefix, lists)
  local key, slot = lists_key(prefix, lists.first)
  local head = struct.pack('>I4I4B', lists.a.pages, lists.r.pages, #lists.a.tail / ARRIVAL_BYTES)
  redis.call('HSET', key, slot, head .. lists.a.tail .. lists.r.tail)
end

-- Read the lists of participants. `people`: a place (2 bytes, from 1) and a fingerprint each.
-- Returns {place, person} in order, the index, and the number of unknown ones. Read-only; checks all that
-- `add_to_lists` depends on.
local function lists_of(prefix, people)
  local found, persons, unknown = {}, {}, 0
  if people == '' then
    return found, nil, 0
  end
  local index = open_index(prefix, 'p')
  for at = 1, #people, PERSON_BYTES do
    local place, fingerprint = struct.unpack('>I2c' .. FINGERPRINT_BYTES, people, at)
    local person = persons[fingerprint]
    if not person then
      person = {bucket = bucket_of(index, fingerprint), fingerprint = fingerprint}
      local first = redis.call('HGET', person.bucket, fingerprint)
      if first then
        person.lists = read_lists(prefix, arrival_in(first, 1))
      else
        unknown = unknown + 1
      end
      persons[fingerprint] = person
    end
    found[#found + 1] = {place, person}
  end
  return found, index, unknown
end

-- Register the participants of new attempts by their first one. `stamp_of` returns the arrival number of a place, or
-- nil.
local function add_participants(found, index, stamp_of)
  local added = 0
  for _, each in ipairs(found) do
    local stamp, person = stamp_of(each[1]), each[2]
    if stamp and not person.lists then
      person.lists = new_lists(arrival_in(stamp, 1))
      redis.call('HSET', person.bucket, person.fingerprint, stamp)
      added = added + 1
    end
  end
  grow(index, added)
end

-- Append arrival numbers to the lists of known participants. `which`: 'a' or 'r'; `stamp_of` as above.
local function add_to_lists(prefix, found, which, stamp_of)
  local changed = {}
  for _, each in ipairs(found) do
    local stamp, lists = stamp_of(each[1]), each[2].lists
    if stamp and lists then
      add_to_list(prefix, lists, which, stamp)
      changed[lists] = true
    end
  end
  for lists in pairs(changed) do
    write_lists(prefix, lists)
  end
end
