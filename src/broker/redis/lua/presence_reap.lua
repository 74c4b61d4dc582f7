-- Takes users whose time is over out of rooms; whoever calls first gets them.
-- KEYS  answer: what the last call of this instance was answered; occupied; then for each room guests, members, admins, refs
-- ARGV  number of the call, most users of a role to take out of a room, until when nobody's time can be over but by fault
--       of its instance, then the rooms
-- Gives for each room: guests, members, admins, all that are kept, ms until the next expires (-1: none), the time in microseconds, then id, role and
-- name of each
-- user taken out, and 1 if the user was sent to another instance and did not come, else 0. A call that comes twice is answered twice the same.
local call, most, deadline = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local before = redis.call('GET', KEYS[1])
if before and string.sub(before, 1, #call + 1) == call .. ':' then
  return cmsgpack.unpack(string.sub(before, #call + 2))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer, any = {}, false
-- Who could not refresh its own users for so long was cut off, and so may the others have been: a call that waited while
-- Redis was frozen takes nobody out.
if now >= deadline then most = 0 end
for r = 4, #ARGV do
  local at = 2 + (r - 4) * 4
  local refs = KEYS[at + 4]
  local room = { 0, 0, 0, 0, -1, time[1] * 1000000 + time[2] }
  local first
  for i = 1, 3 do
    local set = KEYS[at + i]
    local dead = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, most)
    for d = 1, #dead do
      local role, tags, name = string.match(redis.call('HGET', refs, dead[d]) or '', '^([123])|([^|]*)|(.*)$')
      redis.call('ZREM', set, dead[d])
      redis.call('HDEL', refs, dead[d])
      if role then
        room[#room + 1] = dead[d]
        room[#room + 1] = role
        room[#room + 1] = name
        room[#room + 1] = string.find(tags, '~=', 1, true) and 1 or 0
      end
      any = true
    end
    local size = redis.call('ZCARD', set)
    room[4] = room[4] + size
    if size > 0 then
      room[i] = redis.call('ZCOUNT', set, '(' .. now, '+inf')
      first = math.min(first or math.huge, tonumber(redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]))
    end
  end
  if first then room[5] = math.max(0, first - now) end
  if room[4] == 0 then redis.call('ZREM', KEYS[2], ARGV[r]) end
  answer[#answer + 1] = room
end
if any then redis.call('SET', KEYS[1], call .. ':' .. cmsgpack.pack(answer), 'PX', 60000) end
return answer
