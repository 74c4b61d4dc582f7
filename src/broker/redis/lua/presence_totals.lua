#!lua flags=no-writes
-- Gives how many users there are in each room.
-- KEYS  for each room guests, members, admins
-- ARGV  '1' if expired users count
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive = '(' .. (ARGV[1] == '1' and 0 or now)
local totals = {}
for i = 1, #KEYS, 3 do
  local total = 0
  for k = i, i + 2 do total = total + redis.call('ZCOUNT', KEYS[k], alive, '+inf') end
  totals[#totals + 1] = total
end
return totals
