-- An instance says that users are still in a room.
-- KEYS  guests, members, admins, refs, occupied: as in presence_sync.lua
-- ARGV  incarnation, ttl ms, ms to keep the keys, '1' if expired users count, room, then the ids of the users
-- Gives guests, members, admins, all that are kept, ms until the first expires (-1: none), the time in microseconds, the places of users that are
-- not known to be held by the instance and were left alone, and 1 if a user was missing from the counts.
local me, ttl, keep, room = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive = ARGV[4] == '1' and 0 or now
local missing, added = {}, 0
local scores, refs = { {}, {}, {} }, {}

local known = redis.call('HMGET', KEYS[4], unpack(ARGV, 6))
for place = 1, #known do
  local user = ARGV[place + 5]
  local role, tags, name = string.match(known[place] or '', '^([123])|([^|]*)|(.*)$')
  local mine, last = false, now + ttl
  local kept = {}
  for tag, expiry in string.gmatch(tags or '', '([^=,]+)=(%d+)') do
    expiry = tonumber(expiry)
    if tag == me then
      mine = expiry > alive
    elseif expiry > alive then
      kept[#kept + 1] = tag .. '=' .. expiry
      last = math.max(last, expiry)
    end
  end
  if mine then
    kept[#kept + 1] = me .. '=' .. (now + ttl)
    refs[#refs + 1] = user
    refs[#refs + 1] = role .. '|' .. table.concat(kept, ',') .. '|' .. name
    local into = scores[tonumber(role)]
    into[#into + 1] = last
    into[#into + 1] = user
  else
    missing[#missing + 1] = place - 1
  end
end
if #refs > 0 then
  redis.call('HSET', KEYS[4], unpack(refs))
  for i = 1, 3 do
    if #scores[i] > 0 and redis.call('ZADD', KEYS[i], unpack(scores[i])) > 0 then added = 1 end
  end
  redis.call('ZADD', KEYS[5], 'GT', now + ttl, room)
end

local counts, all, first = {}, 0, nil
for i = 1, 3 do
  local size = redis.call('ZCARD', KEYS[i])
  counts[i], all = 0, all + size
  if size > 0 then
    counts[i] = redis.call('ZCOUNT', KEYS[i], '(' .. alive, '+inf')
    first = math.min(first or math.huge, tonumber(redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2]))
    redis.call('PEXPIRE', KEYS[i], keep)
  end
end
redis.call('PEXPIRE', KEYS[4], keep)
return { counts[1], counts[2], counts[3], all, first and math.max(0, first - now) or -1,
  time[1] * 1000000 + time[2], table.concat(missing, ','), added }
