-- For wrk: registers a new address with each request. An answer other than 201 ends the run.
local threads = 0
function setup(thread) thread:set("id", threads .. "." .. os.time()); threads = threads + 1 end
function init() number = 0 end
function request()
  number = number + 1
  local email = string.format("user%d@%s.example", number, id)
  local body = string.format('{"email": "%s", "password": "correct horse battery"}', email)
  return wrk.format("POST", "/users", {["Content-Type"] = "application/json"}, body)
end
function response(status) if status ~= 201 then error("answered " .. status) end end
