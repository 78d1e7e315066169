-- Checks a session, each time with the next token of a file: wrk … -s benches/checks.lua URL -- FILE

local requests = {}
local number = 0

function init(arguments)
  for token in io.lines(arguments[1]) do
    local headers = { ["Authorization"] = "Bearer " .. token }
    requests[#requests + 1] = wrk.format("GET", "/sessions/current", headers)
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end
