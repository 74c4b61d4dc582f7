-- Asks what the user of this connection may not do, and then whether Redis takes writes: a full one, one that cannot
-- save, a replica and a master without its replicas do not.
-- KEYS: a key of the test. ARGV: commands, words by spaces. Answers those that are denied.
local denied = {}
for _, line in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(line, '%S+') do words[#words + 1] = word end
  if not redis.acl_check_cmd(unpack(words)) then denied[#denied + 1] = line end
end
if #denied == 0 then redis.call('SET', KEYS[1], '1', 'PX', 1000) end
return denied
