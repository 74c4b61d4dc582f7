-- Numbers, logs and tells a batch of changes of one room, all of it or nothing.
-- KEYS meta, log, ids, state, rooms, done
-- ARGV room, channel, the frame up to its epoch, fresh epoch, most entries (0: all), greatest age ms (0: any),
--      expiry of the room's keys ms (0: never), name of the idem keys, ms a key is remembered, most emoji of a message,
--      number of the frame ('' when running it twice is harmless anyway), then for each change its kind and
--      'm': id, message answered ('' for none), body           'e': id, user, text, body
--      'd': id, user, '1' for an admin, body                   'r': id, user, emoji, '1' for on, body
--      A body is the entry as JSON up to its number.
-- Answers lines: the epoch, then one a change: 'ok <seq> <ts>', 'dup <seq> <ts>' or why not.
local meta, log, ids, state, rooms, done = unpack(KEYS)
local room, channel, frame, fresh = unpack(ARGV, 1, 4)
local most_entries, most_age, expiry = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local idem, period, most_emoji, number = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]

-- Changes other than messages have no id by which a second run finds them.
if number ~= '' then
  local before = redis.call('GET', done)
  local which, answer = string.match(before or '', '^(%d+)\n(.*)$')
  if which == number then return answer end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local this_period = math.floor(now / period)
local idem_now, idem_before = idem .. ':' .. this_period, idem .. ':' .. (this_period - 1)

local m = redis.call('HMGET', meta, 'e', 's', 't', 'ts')
local epoch, head, trimmed, last = m[1], tonumber(m[2]) or 0, tonumber(m[3]) or 0, tonumber(m[4]) or 0
if not epoch or (head > trimmed and redis.call('HEXISTS', log, head) == 0) then
  -- The log was lost: nothing that is left of it can be trusted.
  redis.call('DEL', meta, log, ids, state, idem_now, idem_before)
  epoch, head, trimmed, last = fresh, 0, 0, 0
end
now = math.max(now, last)
local empty_before = head == 0

local told = {}
local function add(body)
  head, last = head + 1, now
  local entry = body .. ',"seq":' .. head .. ',"ts":' .. now .. '}'
  redis.call('HSET', log, head, entry)
  told[#told + 1] = entry
end

local function ts_of(entry) return tonumber(string.match(entry, ',"ts":(%d+)}$')) end

-- The number and entry of a message that the log holds.
local function held(id)
  local seq = tonumber(redis.call('HGET', ids, id))
  if not seq or seq <= trimmed then return nil end
  local entry = redis.call('HGET', log, seq)
  local start = '{"type":"message","id":"' .. id .. '"'
  if entry and string.sub(entry, 1, #start) == start then return seq, entry end
end

-- What became of a message that was trimmed while its key is remembered.
local function remembered(id)
  if trimmed == 0 then return nil end
  local record = redis.call('HGET', idem_now, id) or redis.call('HGET', idem_before, id)
  local seq, ts = string.match(record or '', '^(%d+):(%d+)$')
  seq = tonumber(seq)
  if seq and seq <= trimmed then return seq, ts end
end

local function state_of(seq)
  local json = redis.call('HGET', state, seq)
  return json and cjson.decode(json) or {}
end

-- Writes an entry without its text; kind, id and number stay where they are looked for.
local function redact(seq, entry, id_field)
  local e = cjson.decode(entry)
  local start = '{"type":"' .. e.type .. '","' .. id_field .. '":"' .. e[id_field] .. '",'
  local finish = ',"seq":' .. seq .. ',"ts":' .. ts_of(entry) .. '}'
  e.text, e.deleted = '', true
  e.type, e[id_field], e.seq, e.ts = nil, nil, nil, nil
  redis.call('HSET', log, seq, start .. string.sub(cjson.encode(e), 2, -2) .. finish)
end

local answers, repeated = { epoch }, false
local function logged() answers[#answers + 1] = 'ok ' .. head .. ' ' .. now end
local function duplicate(seq, ts)
  repeated = true
  answers[#answers + 1] = 'dup ' .. seq .. ' ' .. ts
end
local function refuse(why) answers[#answers + 1] = why end

local function say(id, answered, body)
  local seq, entry = held(id)
  if seq then return duplicate(seq, ts_of(entry)) end
  local ts
  seq, ts = remembered(id)
  if seq then return duplicate(seq, ts) end
  if answered ~= '' and not held(answered) then return refuse('not_found') end
  add(body)
  redis.call('HSET', ids, id, head)
  logged()
end

local function edit(id, user, text, body)
  local seq, entry = held(id)
  local message = seq and cjson.decode(entry)
  if not seq or message.deleted then return refuse('not_found') end
  if message.from.id ~= user then return refuse('forbidden') end
  local s = state_of(seq)
  if (s.text or message.text) == text then return duplicate(head, last) end
  add(body)
  local edits = { head }
  for _, earlier in ipairs(s.edits or {}) do
    if earlier > trimmed then edits[#edits + 1] = earlier end
  end
  s.text, s.editedTs, s.edits = text, now, edits
  redis.call('HSET', state, seq, cjson.encode(s))
  logged()
end

local function delete(id, user, admin, body)
  local seq, entry = held(id)
  if not seq then return refuse('not_found') end
  local message = cjson.decode(entry)
  if message.from.id ~= user and admin ~= '1' then return refuse('forbidden') end
  if message.deleted then return duplicate(head, last) end
  redact(seq, entry, 'id')
  for _, at in ipairs(state_of(seq).edits or {}) do
    local edited = redis.call('HGET', log, at)
    if edited then redact(at, edited, 'messageId') end
  end
  redis.call('HDEL', state, seq)
  add(body)
  logged()
end

local function react(id, user, emoji, on, body)
  local seq, entry = held(id)
  if not seq or cjson.decode(entry).deleted then return refuse('not_found') end
  local s = state_of(seq)
  local reactions, at, who = s.reactions or {}, nil, nil
  for i, reaction in ipairs(reactions) do
    if reaction[1] == emoji then
      at = i
      for j, other in ipairs(reaction[2]) do
        if other == user then who = j end
      end
    end
  end
  if (who ~= nil) == (on == '1') then return duplicate(head, last) end
  if who then
    table.remove(reactions[at][2], who)
    if #reactions[at][2] == 0 then table.remove(reactions, at) end
  elseif at then
    table.insert(reactions[at][2], user)
  elseif #reactions >= most_emoji then
    return refuse('emoji')
  else
    reactions[#reactions + 1] = { emoji, { user } }
  end
  add(body)
  -- An empty table would be written as an object.
  if #reactions > 0 then s.reactions = reactions else s.reactions = nil end
  if next(s) then redis.call('HSET', state, seq, cjson.encode(s)) else redis.call('HDEL', state, seq) end
  logged()
end

local does = { m = { say, 3 }, e = { edit, 4 }, d = { delete, 4 }, r = { react, 5 } }
local i = 12
while ARGV[i] do
  local act, count = unpack(does[ARGV[i]])
  act(unpack(ARGV, i + 1, i + count))
  i = i + 1 + count
end

-- Takes away what is too much or too old; the rest of very much at the next append.
local function trim()
  for _ = 1, 1000 do
    local over = most_entries > 0 and head - trimmed > most_entries
    if not over and (most_age == 0 or trimmed >= head) then return end
    local seq = trimmed + 1
    local entry = redis.call('HGET', log, seq)
    if entry then
      local ts = ts_of(entry)
      if not over and now - ts <= most_age then return end
      local id = string.match(entry, '^{"type":"message","id":"([^"]+)"')
      if id then
        redis.call('HDEL', ids, id)
        redis.call('HDEL', state, seq)
        if now - ts < period then
          redis.call('HSET', idem_now, id, seq .. ':' .. ts)
          redis.call('PEXPIRE', idem_now, 2 * period)
        end
      end
      redis.call('HDEL', log, seq)
    end
    trimmed = seq
  end
end

local answer = table.concat(answers, '\n')
if #told > 0 then
  trim()
  redis.call('HSET', meta, 'e', epoch, 's', head, 't', trimmed, 'ts', last)
  if expiry > 0 then
    for key = 1, 4 do redis.call('PEXPIRE', KEYS[key], expiry) end
  elseif empty_before then
    redis.call('PERSIST', meta)
  end
  redis.call('ZADD', rooms, 0, room)
  if number ~= '' then redis.call('SET', done, number .. '\n' .. answer, 'PX', 60000) end
  -- Last: should it fail, the log is right, and whoever missed it reads it there.
  redis.call('PUBLISH', channel, frame .. epoch .. '","entries":[' .. table.concat(told, ',') .. ']}')
elseif repeated then
  -- A write, so that WAIT on this connection waits for what was logged on another.
  redis.call('HSET', meta, 'ts', last)
end
return answer
