-- Users came to and went from a room on one instance.
-- KEYS  guests, members, admins: user -> when the last instance that holds it lets go; refs: user -> 'role|incarnation=expiry,...|name',
--       where ~ stands for an instance that let go of a user who is expected on another one;
--       occupied: room -> until when somebody is there; answer: what the last call of this instance was answered
-- ARGV  incarnation, ttl ms, ms to keep the keys, '1' if expired users count, room, number of the call,
--       then for each user: '+', or '-' and for how many ms the user counts all the same, being expected elsewhere; id,
--       role (1 guest, 2 member, 3 admin), name
-- Gives guests, members, admins, all that are kept, ms until the first expires (-1: none), the time in microseconds, and the places of the users
-- that came to and went from the cluster. A call that comes twice is answered twice the same.
local me, ttl, keep, room, call = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[5], ARGV[6]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive = ARGV[4] == '1' and 0 or now
local entered, left, longest = {}, {}, 0

local function take_out(user)
  local score
  for i = 1, 3 do
    local s = redis.call('ZSCORE', KEYS[i], user)
    if s then
      score = math.max(score or 0, tonumber(s))
      redis.call('ZREM', KEYS[i], user)
    end
  end
  return score
end

local function change(place, comes, away, user, role, name)
  local known = redis.call('HGET', KEYS[4], user)
  local last, back = 0, away > 0 and now + away or 0
  local others, old_role, old_name = {}, nil, nil
  if known then
    local tags
    old_role, tags, old_name = string.match(known, '^([123])|([^|]*)|(.*)$')
    for tag, expiry in string.gmatch(tags or '', '([^=,]+)=(%d+)') do
      expiry = tonumber(expiry)
      if tag == '~' then
        if expiry > alive then back = math.max(back, expiry) end
      elseif tag ~= me and expiry > alive then
        others[#others + 1] = tag .. '=' .. expiry
        last = math.max(last, expiry)
      end
    end
  end
  local score = take_out(user)
  local was = score and score > alive
  -- Whoever is anywhere is not expected any more.
  if not comes and #others == 0 and old_role and was and back > 0 then
    others[1], last = '~=' .. back, back
    longest = math.max(longest, back)
  end
  if comes then
    last = math.max(last, now + ttl)
    others[#others + 1] = me .. '=' .. (now + ttl)
  elseif #others == 0 then
    redis.call('HDEL', KEYS[4], user)
    if was then left[#left + 1] = place end
    return
  else
    role, name = old_role, old_name
  end
  redis.call('HSET', KEYS[4], user, role .. '|' .. table.concat(others, ',') .. '|' .. name)
  redis.call('ZADD', KEYS[tonumber(role)], last, user)
  if not was then entered[#entered + 1] = place end
end

local before = redis.call('GET', KEYS[6])
local said = before and string.match(before, '^' .. call .. ':(.*)$')
if not said then
  local somebody = false
  for i = 7, #ARGV, 4 do
    local comes = ARGV[i] == '+'
    change((i - 7) / 4, comes, comes and 0 or tonumber(string.sub(ARGV[i], 2)) or 0, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
    somebody = somebody or comes
  end
  said = table.concat(entered, ',') .. ';' .. table.concat(left, ',')
  -- Longer than a command is tried again.
  redis.call('SET', KEYS[6], call .. ':' .. said, 'PX', 60000)
  if somebody then longest = math.max(longest, now + ttl) end
  if longest > 0 then redis.call('ZADD', KEYS[5], 'GT', longest, room) end
end

local counts, kept, first = {}, 0, nil
for i = 1, 3 do
  local size = redis.call('ZCARD', KEYS[i])
  counts[i], kept = 0, kept + size
  if size > 0 then
    counts[i] = redis.call('ZCOUNT', KEYS[i], '(' .. alive, '+inf')
    first = math.min(first or math.huge, tonumber(redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2]))
    redis.call('PEXPIRE', KEYS[i], keep)
  end
end
redis.call('PEXPIRE', KEYS[4], keep)
if kept == 0 then redis.call('ZREM', KEYS[5], room) end
return { counts[1], counts[2], counts[3], kept, first and math.max(0, first - now) or -1, time[1] * 1000000 + time[2], said }
