#!lua flags=no-writes
-- Who is in a room.
-- KEYS  guests, members, admins, refs
-- ARGV  '1' if expired users count, most users wanted, most users of a role that are looked at
-- Gives guests, members, admins, then id, role and name of users, admins first, those of a role in no order.
local most, look = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive = '(' .. (ARGV[1] == '1' and 0 or now)
local answer = {}
for i = 1, 3 do answer[i] = redis.call('ZCOUNT', KEYS[i], alive, '+inf') end
local found = 0
for i = 3, 1, -1 do
  if found >= most then break end
  local users = redis.call('ZREVRANGEBYSCORE', KEYS[i], '+inf', alive, 'LIMIT', 0, look)
  for u = 1, #users do
    local role, _, name = string.match(redis.call('HGET', KEYS[4], users[u]) or '', '^([123])|([^|]*)|(.*)$')
    if role then
      answer[#answer + 1] = users[u]
      answer[#answer + 1] = role
      answer[#answer + 1] = name
    end
  end
  found = found + #users
end
return answer
