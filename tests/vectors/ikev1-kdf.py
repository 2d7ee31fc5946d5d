#!/usr/bin/env python3
"""Writes ikev1-kdf.json: python3 tests/vectors/ikev1-kdf.py > tests/vectors/ikev1-kdf.json

"nist": values of NIST's validation of application-specific key derivation (SP 800-135, IKEv1 with pre-shared keys and
with digital signatures), as NIST publishes them with its validation server (public domain). Inputs and results are
NIST's; this script only checks that its own calculation agrees before it trusts itself with the rest.

"derived": the whole schedule of RFC 2409 for every hash, with inputs made of a counter and results calculated here with
hmac and hashlib, from the formulas of RFC 2409 sections 5, 5.5 and appendix B. Nothing of Coati takes part.
"""

import hashlib
import hmac
import json

NIST = [
    ("sha1", "psk",
     "1ead7e319ffa3461", "11111bfb76949326", "021330da3ce97cd999dba9c23c7b65c7a2a64e98f645fa3fbfd75730",
     "e0ed2d580d55e1b7", "855e41db01bafb88", "a7",
     "ce066bb6939856e17798a7dbd599621d46fb9199", "ae745755722d9d755b8ad9cea17eea05044c69d4",
     "a4bf03f1582e14ec2b9eab5c3f6427a19d01ed6f", "9e78d632eff0c69b4f4f878c99797c513b37a73e"),
    ("sha256", "psk",
     "bcb61f721e3f546b033551155ac20ae2537bba3ae7df5eb560838c08c1003172e1d873c3bfcc356d22138e450817255047c63c8b0ca24d118"
     "cd57d403cdd75690a93c82db1d39c8a2996af1f02917a8ffcd8cdbdb80d84f8077ee144bb832c7b0536ac27c111ee1f3bb7f5e8d6b82c38e2"
     "fb702c4a605717c846834bacea514f11fa6edc83e7f8dc5a01a0bb7c21bb8870bfd7695cb1cc1849f001313963c155c6bdd91c589c44dd3ea"
     "caa94ca0baa8f16999b093a46f6fad2cbe658824f170a8b136006793adc0274a986f2cc8ef6cec74ce8dbbd837efe2af0564aea1073641e01"
     "184502c87efcfdc8223daf07edaa0d87a67e34b9a79f9cf1710e251cc66c",
     "2e0c1df3129adfcce81353e294e0617dcfdd6cc5c029dfddbeb512e8b203d6212271e0d74d7530495e6295cbb7cdcf7745a99b10ca00c0ad9"
     "2d3ddcc9422c1cfda31fc9ba49fa2dbe4c567642f79b9dfd156c3c30c7b73ea3264d6f509cabe3f5c20e302a5fec3c18a2047ebb5e95dfad5"
     "5b1eb245915f767e0ad6822ca2f760a06c071642a137643cadce092a2ebaea0d8714a4a1061c0b6d032b4835491b8eac4573d37f605f4634e"
     "74c9030ff17695cec50ce31f5a0149a3dfc458642e94ed43d370751885bd4b296b4f7bb556a7a14db22337ac6c78157884b00f7e7878a2627"
     "839082680bfb9497e85e27369cfbf7b707c39c9b9c1b1372c41d6de3623a",
     "8beb2cd063a9ab8b5fd357c1938b3cdecbce38d304fcf7bb1796d9c1", "352c7435ed95fbc8", "9949ba3f9b80642d",
     "779642b61ddf1f3fcc01b8f0bfd50f78363a8563aa880cbb09d71f2d",
     "3dbe693af6582901e3d6d8d0554880cda868d7be3385441f2e8674e2d86a9b3b",
     "d5f17d7935b769ec54dda77b8d5139f13e6ed3462d0a2532154e74846f0af50b",
     "3967bc39b3a55dfd17a7780d6a344dd6a564194ee7cafe0b54947722ad4909d9",
     "996073eae0284fe45743ec7d7ab87c8954b0fa6f27443e531107bf12eb40ee98"),
    ("sha512", "psk",
     "62164b51e538b756", "9080a4133c31a75c", "49e3295455ce612db2b68c9cee7090cd81b1386417d014dc918ebc93",
     "886f06fd952162c6", "91dd6e81c6e2feeb", "6c",
     "a7265170ff642c28c1cdf8121f2d1c9c6ddb48bb15675e5a5caaae175f1bcebbe94082c767ba94b1fd04ad96cc307bec2f42d5d7ed8b5d2f0"
     "1b916d8d37cb436",
     "60c27245e6925e6f2c0abce1a175bb9f1d404898260e9e4d5d9308ea7bf2b3595c34621287a9037919264d6a7c80b8b337e0ab007c35712d0"
     "c407a4e385cd1b1",
     "dcd0bb2cb122e492a2ba6017cd25d8d6b000624d28969062236e683511ee45ea42e8591f06f8c7bda535c49f57e73c658dc37ed66d891fda3"
     "3ce6f0c794caccf",
     "2398acdb0a0553542a0fedbef70e04495ed9edae8c3c60546409e1bb0ecb547e54c070d23b1c9226ac9d1f30eccdfb2c4f6462788b4b40714"
     "8f44df58f8f2629"),
    ("sha1", "signature",
     "3e2504047ed6ff9f", "6fc4d53c3a8dd703", "63e2f01eb9b2ff8b26c20bb1652972a0df94c1601fde641156e124f1",
     "aae2e3d00272567f", "4960bd49cb00b876", None,
     "f5b7f1b36d616775de9114e41909a0f9cdf59ae1", "9b96f5923cdfe6f382ddd01a5484c218213abe3b",
     "1ddb9c9b8639fe84849de502cb3851cfd3bf78a8", "ad778121098629828f95012f0c102a8968d5e286"),
    ("sha1", "signature",
     "ced5635da6796075", "6244b427712fb776",
     "2a2e0bbe8da3657a83f3d35826e49e2d38e557e912a1b9e6c30c63577b3eab715466202862027f2c26f3090743555579611771db0b92bef93"
     "834432a3a7762fc8a0f4889fd281d6082770d10a40d7bad61e832f041e620d6787e7f62ab2861ddfbe272e0d9d3cdec5f1bbf750e24b8b32d"
     "6d714968ad69ce5086c32ad2742ebc",
     "382e5c8b0a3fa307", "ba4b7616700a2413", None,
     "dc37ac99de6dcfbd1ee74af7fb36f9b4b0a7829d", "486293ed547adb562cefdaf43d3d8457b196f2b6",
     "f4053b5ca07e59bb41b8f401037ca90b72b3917e", "49a1d53a80fb77e663552964fbbcb45092021473"),
    ("sha256", "signature",
     "000ef177a58a2987c16ebfd30ab2e3e80483b2bb09a2410cea02667b9c3806a5a476776441a3d0bc8d8c0c544ea371c17084d390e95c9a362"
     "33ef44b652c8278bdc2e099c64f25ade68bde1cc5fd655c214b2d9cd3ddd76bdf971de7e77d8d3f440253a266d68e17cf58f1dadfce0f9916"
     "b762f145d44e1fe8059f1b8e0a2857d87641a000fb844385203cb1f5ba46e245676df66d12cd83f59c44c56129a16936002968543cfca5617"
     "b893bb7ae25257c96a931323849f1d9db5a4c5440a8302fc3a7b4eda7fc09752d543b4f516819d2a946371c5f539c78bb5b6955b02a33b7f5"
     "762747f1446ccfa5fcb2c3f6a1e391a04d78b520b6ae1198b10406fc33aa",
     "8777c71b685ae95c118dc7de1712b333cea5b7c23e3edc685a27daebb7311dc2cb29ac815e6f3798a0313c788bdbe24fdec64e361aa85201f"
     "37add7f839ee68a3aef9d59650b808a1fef8b6b2af8c6d5912cf09b4e71f9ce0de6925e0eab0765ef1c5a6f851303ea03f9d24f8a33207e3f"
     "6a5f7566e7d389c368bed5d448512eeb4f0deca27df536ebd25b551ccc9aac06490033ead5afba08395498739166b222d24de5a88d970e70d"
     "ede416f452411b3d65d555f6e7b1e74738f166cb21141b92665dd268d67ed517c82d1fbd296665bea5eb99dfd615aa3da9751470d62401557"
     "e372e7b7f715a9b1ea33a1f2090ec5baebacaa693d40ffc7d2692f73282d",
     "1929e6a0cdaeaffe709bff22762fbc31e8a5fa08a5bc8289e77d8079", "cec3c1c58a8fab78", "05b6ae4a923ef4d0", None,
     "f0949c6b5ac21cf1786f2f5c359f0b40ed85b5840f9b05e105d43e44dd9e4f20",
     "e2cca3048e227b471e697e86bbcb25f3a92b67974691f4a120e5703fff5d1530",
     "7efd1afa105696646f5f756707f3fe8f5e3f231461630e4f629a122d7f42efc4",
     "3f5fda94f7a4c5512958a8110b126cf5e37499c73a6aced51e0e359c6064ed98"),
    ("sha512", "signature",
     "b0e77a0cd2d6947c", "e53bc72f8cd7a8ca", "f6497c8be362ddf0fef27ff94e37a6d4f1ac2991eeb573356813a782",
     "146ca99c9573c4c5", "c53d022808d05540", None,
     "d4967330d69aed79647d62692f97e422b979d03f9293f337fe84d4baff4051657d18bfccbf4e5adacf0226c1f42e78540c3c49baf6ce92a96"
     "1b649ffe5dc9132",
     "88a8c0f8dc03765ea8ad6fe9039c08151f5b7941141e152ad1af47a3581613f907556716786f95cffa62fa933e65387b6d8a6d6af2f7c2fb8"
     "0bb399ea0286863",
     "454da7a378d0e5239643377d390f6209272037e8f36ba12e5f55a0471ce11a931abcb3a3e5fd26c3fb0240ca1784a03e8c366a2f002544bb9"
     "23e30e5fd2307d1",
     "90a047c06f39dabcd7a51a7a7d68f6ff8b8b3f2ad16ef33eb29dba6ce6882ebcce136cb9d373db1354af7dd01328509f415d01968b368d0f7"
     "5a13af4fffbad27"),
]


def prf(name, key, *parts):
    return hmac.new(key, b"".join(parts), getattr(hashlib, name)).digest()


def schedule(name, auth, ni, nr, g_xy, cky_i, cky_r, psk):
    """RFC 2409 section 5: SKEYID, SKEYID_d, SKEYID_a, SKEYID_e."""
    skeyid = prf(name, psk, ni, nr) if auth == "psk" else prf(name, ni + nr, g_xy)
    d = prf(name, skeyid, g_xy, cky_i, cky_r, b"\0")
    a = prf(name, skeyid, d, g_xy, cky_i, cky_r, b"\1")
    e = prf(name, skeyid, a, g_xy, cky_i, cky_r, b"\2")
    return skeyid, d, a, e


def cipher_key(name, skeyid_e, octets):
    """RFC 2409 appendix B: SKEYID_e itself if it is long enough, else K1 | K2 | ..."""
    if len(skeyid_e) >= octets:
        return skeyid_e[:octets]
    material, block = b"", b"\0"
    while len(material) < octets:
        block = prf(name, skeyid_e, block)
        material += block
    return material[:octets]


def keymat(name, skeyid_d, g_xy, protocol, spi, ni, nr, octets):
    """RFC 2409 section 5.5."""
    material = block = b""
    while len(material) < octets:
        block = prf(name, skeyid_d, block, g_xy, bytes([protocol]), spi, ni, nr)
        material += block
    return material[:octets]


def filler(label, octets):
    out = b""
    while len(out) < octets:
        out += hashlib.sha256(f"{label} {len(out)}".encode()).digest()
    return out[:octets]


def nist():
    names = "hash auth ni nr g_xy cky_i cky_r psk skeyid skeyid_d skeyid_a skeyid_e".split()
    for row in NIST:
        octets = [value if value is None else bytes.fromhex(value) for value in row[2:]]
        assert schedule(*row[:2], *octets[:6]) == tuple(octets[6:]), row[:2]
        yield dict(zip(names, row))


def derived():
    for name in ("md5", "sha1", "sha256", "sha384", "sha512"):
        for auth in ("psk", "signature"):
            label = f"{name} {auth}"
            case = {
                "psk": b"a pre-shared key of 34 octets here", "ni": filler(label + " ni", 16),
                "nr": filler(label + " nr", 20), "cky_i": filler(label + " cky_i", 8),
                "cky_r": filler(label + " cky_r", 8), "g_xi": filler(label + " g_xi", 128),
                "g_xr": filler(label + " g_xr", 128), "g_xy": b"\0\0" + filler(label + " g_xy", 126),
                "sai_b": filler(label + " sa", 52), "id_i": filler(label + " id_i", 8),
                "id_r": filler(label + " id_r", 12), "g_qm_xy": filler(label + " g_qm_xy", 128),
                "m_id": filler(label + " m_id", 4), "rest": filler(label + " rest", 77),
                "last_block": filler(label + " last", 16), "spi": b"\x10" + filler(label + " spi", 3),
            }
            if auth == "signature":
                del case["psk"]
            c = case
            s, d, a, e = schedule(
                name, auth, c["ni"], c["nr"], c["g_xy"], c["cky_i"], c["cky_r"], c.get("psk"))
            h = getattr(hashlib, name)
            qm = (name, d, c["g_qm_xy"], 3, c["spi"], c["ni"], c["nr"])
            results = {
                "skeyid": s, "skeyid_d": d, "skeyid_a": a, "skeyid_e": e,
                "iv_8": h(c["g_xi"] + c["g_xr"]).digest()[:8], "iv_16": h(c["g_xi"] + c["g_xr"]).digest()[:16],
                "phase2_iv_8": h(c["last_block"][:8] + c["m_id"]).digest()[:8],
                "phase2_iv_16": h(c["last_block"] + c["m_id"]).digest()[:16],
                "hash_i": prf(name, s, c["g_xi"], c["g_xr"], c["cky_i"], c["cky_r"], c["sai_b"], c["id_i"]),
                "hash_r": prf(name, s, c["g_xr"], c["g_xi"], c["cky_r"], c["cky_i"], c["sai_b"], c["id_r"]),
                "hash_1": prf(name, a, c["m_id"], c["rest"]),
                "hash_2": prf(name, a, c["m_id"], c["ni"], c["rest"]),
                "hash_3": prf(name, a, b"\0", c["m_id"], c["ni"], c["nr"]),
                "keymat_pfs": keymat(*qm, 148),
                "keymat_no_pfs": keymat(name, d, b"", *qm[3:], 148),
            }
            keys = {str(n): cipher_key(name, e, n).hex() for n in (8, 16, 24, 32, 56, 130)}
            octets = {key: value.hex() for key, value in {**case, **results}.items()}
            yield {"hash": name, "auth": auth, **octets, "keys": keys}


print(json.dumps({"nist": list(nist()), "derived": list(derived())}, indent=1))
