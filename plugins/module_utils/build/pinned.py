# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions to download if the inventory names none, and the sha256 of each file.

Written by `make pins` (tests/tools/pins.py), which reads the package index; do not edit it.
"""

from __future__ import annotations

# Name -> (version, sha256 of its wheels for Linux and of its source distribution).
PINNED: dict[str, tuple[str, list[str]]] = {
    "pyuwsgi": (
        "2.0.30.post1",
        [
            "183b1bd9da43950fb09de8f62b52b92073f532a2a239faf017ab28576686d8ba",
            "277cc288c4829a32378c95b659b946df49c5104822a82b1c196163df1b53012b",
            "33b34f3895cf0d45486d17ca434699bf1e38edb753f135ce66785008b76eb0e6",
            "3aa740c111847f904d2feceb4c40f8b4a2a77d5b619896da9d423af1b9b89544",
            "3ac50e7ea01cd631f9d8b0645a41582ade0981024f40e1f2d4c7a3e36998deba",
            "3bcdd82beae30071254a71f2038c42908fabaabefeb8340431cd59850f00154e",
            "3d055388358ab8b8980e1199d1667e352e02d9c6ddc903f3be4e379ba6df616e",
            "444eb1f0473575e019fe6bb1205db33ab69d23dc3deb0755f1fef0a9e27ca3ee",
            "488ae365479267738f6c07eaaf59d02019790b71dd7764dffd109fd0922e348c",
            "4a0bbb46b8e78e23ba064ebcaf926a69cd9f951f0bb7872f87c05728041d303b",
            "4a73db74894cbdf5144be3fd5ea3dbe7fadce6315a8dfe9b0b31173247bff5b6",
            "4b8632dac6208bd51364abcc10870e50da717fd25aad03a65e9b627721977214",
            "4f660c61a230b26cf3c3d86553ba2a83e1bd2b1a81cf7492f9016e6317ac95e7",
            "51ce278e073d5c53f53193d96b2b8db1ea43934c3af48c6e4b3ad67c9457c5fd",
            "59c6f9e5f734877d1dc8cc12e5f52b8cfec1f53038b881648918658c977ccf7a",
            "5a5a02c6e8b95224721033e4f8a252a8503ffb0953dff1e169f88e6b8a092b78",
            "5b914d2970cce055d3e38560ac2aef7cc13e1b7357caeb927f6b457a2802d1ce",
            "5db8a522695b67e2c4aeb5babe5559b211524cc6cfaa07f7637412b924d991d3",
            "610f93cf5992d5087ca8f3063f15993d2d4db6abdabff7afbeece201b7550279",
            "65896e8321fac1ab9ef04a60fcd3b379fa1f7ca75160cde97fa2d92589df8abf",
            "6b44211ffdd9f4082526fe7717b8c334bf7d716cc28dda47228645d20c2f2e29",
            "6bf7028e0444e1341e9b50c631bac8426d7bae1831711a25cb40453ea48593da",
            "7c9cb7f06073e08fcde8430f764cd17c85d80a81dc1bcd71329e1e97009f2c96",
            "7e2e584f91e1c1e5a1b212f3fb11c009e94e0fbeb05b5bd0d91d78becd6f492b",
            "801f15a7ff4e97b83c2c68aa124329ce5b0f8e07179e191b877a63d786f7dbb3",
            "841bffd42362e81b4af586e69726114d5e1e1b8acdc3b76880c0f50e274bf537",
            "8aaf784040ce3f64a6c74cfe370959f784cbcd4e947c4e7c94930c3ea10d8179",
            "935793e74c6bcedc170991160f7af32b814f062e1031315a574ebf300fbf88f3",
            "a7b8126e5ff374b964d2535d6a77a04ae89bbc5ff51a0f64b5b0d92eea920bc2",
            "a9450bc8dcb3808d17fa3d6280d2b074fa7858a265ca4ec187f25f775bbee6f6",
            "b09a4a462173944f6f1d56f942074db02866e16f39045658fa8b7bec861042f4",
            "b1bb4ff2e2e406767dee7985608e5ee7f306a6f4ad3c75e1a0fb39e96bba96cc",
            "bfdb50cc1e0b5fb5d4eaf248619c2381a963da8591dd991ec9b4169c0a15bd0b",
            "c7ceec7f63cca2005564664c9f2fc2e0806f83440a26e20a7aff2439cc22c6d7",
            "ca3542381d8c1b880f2ccae402c8fa30217c4d62f0808c0f123feeb39b997077",
            "ca88004adb0ff2b4de834641e67d426f56c08d7afc922c5012c77fb17899f277",
            "df4c0f4d2777ce51b321d6c1ed0226001e81f4e3be5c04b71718d2b181fa368d",
            "dfa1b71988e45c36b22e6a49afe04c3ebec32c9d7150a791657b6907a8986663",
            "e5444eaab2ede41b0c2ce99ba7e5e8aa722f3f7edca3c3ad5172828215014a68",
            "ea18cc335605086c08748e28f5c45b2199a8185a0e647feae8ebc2e5a623c240",
            "f360d2eb1a4b3f175adf79558ab1399090cb2b2d8b7ca964d717e3e34c7abdf4",
            "f9c33746954ed355d6d6c36bbf5d75294523db2b7f97d58ea1509592a182d423",
            "fa519bff9f0bafff80060ae9126d644d47c16e2b73c1d982bd54ac59c52caef5",
        ],
    ),
    "uv": (
        "0.13.9",
        [
            "16963d19594e18d746a70c7fce82237bde4f2cac4cfcf0ca2b84796fe9d0c6e9",
            "2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25",
            "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
            "56ec37616c00220032fc7b8c9d0ef51367fd0d70d9cd6ddd841660f949f84fed",
            "6b0c7b9f47a5d011939d61e324d3fe18a8bc155d8dd53add738709a92f290a7c",
            "6d5114bba238adddacb32fb11904f2b3ff4e988f8e9ff0d8d3b5e9822cf836b8",
            "7ec1e1dd9b6cb335c301afdf877989df384227313981850755a59561f75e4ab8",
            "a2ee66fe8b6608e1482ab1bde5799da04705c1cb40324c7f66054ecf46ae6e40",
            "a6e845f387e4ed55bb59342957a9179e24a631fcc7668bda3426ae1cef8ed4b9",
            "c5dbdb7c8737cd183a9dce95b39cfd1f3d54ec2a27a1bb58f160293f9ba2c805",
            "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
            "db5c8df7145c21ffea9c0f74e38823bac3af60cbadf0e26b8633f08627b17bab",
            "dd6f4f93ddf8a668c73f0945f3638444b2140a4e15a3912067493fc6335543e4",
            "ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375",
        ],
    ),
    "uwsgi": (
        "2.0.31",
        [
            "e8f8b350ccc106ff93a65247b9136f529c14bf96b936ac5b264c6ff9d0c76257",
        ],
    ),
}
