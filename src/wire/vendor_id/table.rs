//! The rows of the table. Where a name is the text that an MD5 sum was made of, the test binary makes it again.

use super::{KnownVendor, Vendor, hex};

/// One row: `known!(meaning, name, octets)`, with `..` behind the octets when more may follow.
macro_rules! known {
    ($vendor:ident$(($number:literal))?, $name:literal, $hex:literal) => {
        known!(@ Vendor::$vendor$(($number))?, $name, $hex, false)
    };
    ($vendor:ident$(($number:literal))?, $name:literal, $hex:literal ..) => {
        known!(@ Vendor::$vendor$(($number))?, $name, $hex, true)
    };
    (@ $vendor:expr, $name:literal, $hex:literal, $is_prefix:literal) => {
        KnownVendor {
            vendor: $vendor,
            name: $name,
            bytes: &const { hex::<{ $hex.len() / 2 }>($hex) },
            is_prefix: $is_prefix,
        }
    };
}

/// The extensions that somebody acts on.
pub(super) const EXTENSIONS: &[KnownVendor] = &[
    known!(Dpd, "DPD", "afcad71368a1f1c96b8696fc7757"..),
    known!(NatT, "RFC 3947", "4a131c81070358455c5728f20e95452f"),
    known!(NatTDraft(8), "draft-ietf-ipsec-nat-t-ike-08", "8f8d83826d246b6fc7a8a6a428c11de8"),
    known!(NatTDraft(7), "draft-ietf-ipsec-nat-t-ike-07", "439b59f8ba676c4c7737ae22eab8f582"),
    known!(NatTDraft(6), "draft-ietf-ipsec-nat-t-ike-06", "4d1e0e136deafa34c4f3ea9f02ec7285"),
    known!(NatTDraft(5), "draft-ietf-ipsec-nat-t-ike-05", "80d0bb3def54565ee84645d4c85ce3ee"),
    known!(NatTDraft(4), "draft-ietf-ipsec-nat-t-ike-04", "9909b64eed937c6573de52ace952fa6b"),
    known!(NatTDraft(3), "draft-ietf-ipsec-nat-t-ike-03", "7d9419a65310ca6f2c179d9215529d56"),
    known!(NatTDraft(2), "draft-ietf-ipsec-nat-t-ike-02", "cd60464335df21f87cfdb2fc68b6a448"),
    known!(NatTDraft(2), "draft-ietf-ipsec-nat-t-ike-02\n", "90cb80913ebb696e086381b5ec427b1f"),
    known!(NatTDraft(1), "draft-ietf-ipsec-nat-t-ike-01", "16f6ca16e4a4066d83821a0f0aeaa862"),
    known!(NatTDraft(0), "draft-ietf-ipsec-nat-t-ike-00", "4485152d18b6bbcd0be8a8469579ddcc"),
    known!(Product, "draft-ietf-ipsec-nat-t-ike", "4df37928e9fc4fd1b3262170d515c662"),
    known!(Product, "ESPThruNAT", "50760f624c63e5c53eea386c685ca083"),
    known!(Product, "draft-stenberg-ipsec-nat-traversal-01", "27bab5dc01ea0760ea4e3190ac27c0d0"),
    known!(Product, "draft-stenberg-ipsec-nat-traversal-02", "6105c422e76847e43f9684801292aecd"),
    known!(Product, "draft-huttunen-ipsec-esp-in-udp-00.txt", "6a7434c19d7e36348090a02334c9c805"),
    known!(Xauth, "draft-ietf-ipsra-isakmp-xauth-06.txt", "09002689dfd6b712"),
    known!(Unity, "CISCO-UNITY", "12f5f28c457168a9702d9fe274cc"..),
    known!(Fragmentation, "FRAGMENTATION", "4048b7d56ebce88525e7de7f00d6c2d3"..),
    known!(Gssapi, "A GSS-API Authentication Method for IKE", "ad2c0dd0b9c32083ccba25b8861ec455"),
    known!(Gssapi, "A GSS-API Authentication Method for IKE\n", "b46d8914f3aaa3f2fedeb7c7db2943ca"),
    known!(Gssapi, "GSSAPI", "621b04bb09882ac1e15935fefa24aeee"),
];

/// The programs and machines that say what they are.
pub(super) const PRODUCTS: &[KnownVendor] = &[
    known!(Racoon, "KAME/racoon", "7003cbc1097dbe9c2600ba6983bc8b35"),
    known!(Racoon, "IPSec-Tools", "20a3622c1cea7ce37bee3ca484425276"),
    known!(StrongSwan, "strongSwan", "882fe56d6fd20dbc2251613b2ebe5beb"),
    known!(Libreswan, "Libreswan", "4f452d4c696272657377616e"..),
    known!(Libreswan, "Openswan or Libreswan", "4f45"..),
    known!(Cisco, "Cisco VPN 3000, PIX or ASA", "1f07f70eaa6514d3b0fa96542a50"..),
    known!(Cisco, "Cisco IOS", "3e984048"..),
    known!(Microsoft, "MS NT5 ISAKMPOAKLEY: Windows 2000", "1e2b516905991c7d7c96fcbfb587e46100000002"),
    known!(Microsoft, "MS NT5 ISAKMPOAKLEY: Windows XP", "1e2b516905991c7d7c96fcbfb587e46100000003"),
    known!(Microsoft, "MS NT5 ISAKMPOAKLEY: Windows Server 2003", "1e2b516905991c7d7c96fcbfb587e46100000004"),
    known!(Microsoft, "MS NT5 ISAKMPOAKLEY: Windows Vista", "1e2b516905991c7d7c96fcbfb587e46100000005"),
    known!(Microsoft, "MS NT5 ISAKMPOAKLEY: Windows Server 2008", "1e2b516905991c7d7c96fcbfb587e46100000006"),
    known!(Microsoft, "MS NT5 ISAKMPOAKLEY: Windows 7", "1e2b516905991c7d7c96fcbfb587e46100000007"),
    known!(Microsoft, "MS NT5 ISAKMPOAKLEY: Windows 8", "1e2b516905991c7d7c96fcbfb587e46100000008"),
    known!(Microsoft, "MS NT5 ISAKMPOAKLEY", "1e2b516905991c7d7c96fcbfb587e461"..),
    known!(Microsoft, "MS-Negotiation Discovery Capable", "fb1de3cdf341b7ea16b7e5be0855f120"),
    known!(Microsoft, "MS-MamieExists", "214ca4faffa7f32d6748e5303395ae83"),
    known!(Microsoft, "Vid-Initial-Contact", "26244d38eddb61b3172a36e3d0cfb819"),
    known!(Microsoft, "IKE CGA version 1", "e3a5966a76379fe707228231e5ce8652"),
    known!(Product, "HeartBeat_Notify", "4865617274426561745f4e6f74696679"..),
    known!(Product, "FortiGate", "8299031757a36082c6a621de"..),
    known!(Product, "Check Point", "f4ed19e0c114eb516faaac0ee37daf2807b4381f"..),
    known!(Product, "SonicWALL", "404bf439522ca3f6"..),
    known!(Product, "SonicWALL", "5b362bc820f6"..),
    known!(Product, "SafeNet SoftRemote", "47bbe7c993f1fc13b4e6d0db565c68e5"..),
    known!(Product, "TIMESTEP", "54494d4553544550"..),
    known!(Product, "Nortel Contivity", "424e4553"..),
];

/// isakmpd, which sends the MD5 sum of the release of OpenBSD that it was built on.
pub(super) const OPENBSD: &[KnownVendor] = &[
    known!(Isakmpd, "OpenBSD-3.0", "19a368566d00a1f189455b8cd073b008"),
    known!(Isakmpd, "OpenBSD-3.1", "bd711ed2e6fe86d44c5d16df4af2b131"),
    known!(Isakmpd, "OpenBSD-3.2", "3f9e360452672a6f6d99152691e56926"),
    known!(Isakmpd, "OpenBSD-3.3", "cf01e35924fd4a916c7481f9256c2ea1"),
    known!(Isakmpd, "OpenBSD-3.4", "6e27d952dde17381c5b249c942d47927"),
    known!(Isakmpd, "OpenBSD-3.5", "37fcafa2a07d766d597bedef549285f7"),
    known!(Isakmpd, "OpenBSD-3.6", "74d2219393477e411af8392fe2fd8bde"),
    known!(Isakmpd, "OpenBSD-3.7", "612a4dbe7534419a3e9eb4cac7c7a536"),
    known!(Isakmpd, "OpenBSD-3.8", "243ea9b6b50fb587c89b8912a783421f"),
    known!(Isakmpd, "OpenBSD-3.9", "cd3c19467b86e7205210fd83207c37d7"),
    known!(Isakmpd, "OpenBSD-4.0", "6c0dcd481deae8ae0b0a68384b3072f9"),
    known!(Isakmpd, "OpenBSD-4.1", "70727ed976d312a89d12c4a763be45ec"),
    known!(Isakmpd, "OpenBSD-4.2", "a149ee4f988790a8c41dc384a3178eb9"),
    known!(Isakmpd, "OpenBSD-4.3", "fb5213eb4ed4cbeed8b4f8f076794045"),
    known!(Isakmpd, "OpenBSD-4.4", "1c972d93dc1a546019cc2876f1234cb6"),
    known!(Isakmpd, "OpenBSD-4.5", "c0305cda551dc62464b87c1835b7f155"),
    known!(Isakmpd, "OpenBSD-4.6", "cf4371067132a9de8c2bd64337c42d55"),
    known!(Isakmpd, "OpenBSD-4.7", "8f05a92b3d6560ac6a04fdc225bc79b4"),
    known!(Isakmpd, "OpenBSD-4.8", "298982db0a185731d981f2043701ee70"),
    known!(Isakmpd, "OpenBSD-4.9", "0f1a38107f5cad20775fb72a1ba618fd"),
    known!(Isakmpd, "OpenBSD-5.0", "4f0384286506edf73d495ff739d3cc85"),
    known!(Isakmpd, "OpenBSD-5.1", "e763c2f1dc1d0708c70ff9db6ee681d3"),
    known!(Isakmpd, "OpenBSD-5.2", "b8f26eaa4cbf1b9a150a3f12dd64d183"),
    known!(Isakmpd, "OpenBSD-5.3", "55cca34510346604a166c5c4f78d5340"),
    known!(Isakmpd, "OpenBSD-5.4", "5770a1fdb59c301077b377831aea30ad"),
    known!(Isakmpd, "OpenBSD-5.5", "de10e208e4d158e3f5ca2b107400eb74"),
    known!(Isakmpd, "OpenBSD-5.6", "0dad87a06ce3014ab9834e13f75a2ecd"),
    known!(Isakmpd, "OpenBSD-5.7", "17b57a973290fbd7634d037c052303ed"),
    known!(Isakmpd, "OpenBSD-5.8", "f8120394a7d8cb90f14d5acc678592cd"),
    known!(Isakmpd, "OpenBSD-5.9", "3f2c9c7b46a133b4a3616377aaa098c6"),
    known!(Isakmpd, "OpenBSD-6.0", "a4deb087e36d5379aa758445729be06c"),
    known!(Isakmpd, "OpenBSD-6.1", "cf71cb159cdc96cdb6858609fd6d1aff"),
    known!(Isakmpd, "OpenBSD-6.2", "6878d57b3edc95a754e3462c7deaede0"),
    known!(Isakmpd, "OpenBSD-6.3", "9826c552791aa1800ca6ff33aaf1e83b"),
    known!(Isakmpd, "OpenBSD-6.4", "a3b94fa220ac1006a57e653c398822b6"),
    known!(Isakmpd, "OpenBSD-6.5", "28247719e4b8bf58b31fb60ccb60641f"),
    known!(Isakmpd, "OpenBSD-6.6", "d7663df58c196c2b4c9a198be092c150"),
    known!(Isakmpd, "OpenBSD-6.7", "b7ebea53820ccee4e0c47eaa4c63fa19"),
    known!(Isakmpd, "OpenBSD-6.8", "f05534603b09e7d4065caaca5d26639e"),
    known!(Isakmpd, "OpenBSD-6.9", "aafd4544d50f57ebe1d873bf04fb03b7"),
    known!(Isakmpd, "OpenBSD-7.0", "140ec8f54762e3b5c30ab58606be396d"),
    known!(Isakmpd, "OpenBSD-7.1", "951e4fd9a07b6fbfa9d9aa0571528974"),
    known!(Isakmpd, "OpenBSD-7.2", "869cb3bd8f4ffac3032132c7b2b5a7c7"),
    known!(Isakmpd, "OpenBSD-7.3", "dda1505944bce05168218197ce95f7f3"),
    known!(Isakmpd, "OpenBSD-7.4", "70bdc01072644757cfeecc3df0623111"),
    known!(Isakmpd, "OpenBSD-7.5", "c075716a11ff7e2468a4c2b5d8d9a19c"),
    known!(Isakmpd, "OpenBSD-7.6", "0411a51e81139bd0f7f8e621338a18ab"),
    known!(Isakmpd, "OpenBSD-7.7", "40f2569501d71e57868bfcf5edbc04e7"),
    known!(Isakmpd, "OpenBSD-7.8", "90d1d62fc1a1f90431dd7bbc13d9dafc"),
];
