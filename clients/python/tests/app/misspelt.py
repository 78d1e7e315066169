from bienvenue_client import Bienvenue

bienvenue = Bienvenue("http://localhost:8000")
signed_in = bienvenue.sign_in("ada@example.com", pasword="correct horse battery")
print(signed_in.tokn)
current = bienvenue.get_session()
print(current.user)
if current is not None:
    print(current.user.emial)
