"""Where colos are: by the code of an airport near by, and sets of them that have a name.

Rule: a colo of a simulation is named by its IATA code, in either case; `LHR-2` is a second colo at the same place.
Coordinates are those of the airport, from the package `airportsdata`.
"""

from functools import cache
from typing import Any, NamedTuple

from crdtkv.core.show import show
from crdtkv.errors import BadRequest

__all__ = ["AWS", "EDGE", "PRESETS", "WORLD_12", "WORLD_50", "Place", "code_of", "place", "preset"]

AWS = {
    "af-south-1": "CPT", "ap-east-1": "HKG", "ap-east-2": "TPE", "ap-northeast-1": "NRT", "ap-northeast-2": "ICN",
    "ap-northeast-3": "KIX", "ap-south-1": "BOM", "ap-south-2": "HYD", "ap-southeast-1": "SIN",
    "ap-southeast-2": "SYD", "ap-southeast-3": "CGK", "ap-southeast-4": "MEL", "ap-southeast-5": "KUL",
    "ap-southeast-7": "BKK", "ca-central-1": "YUL", "ca-west-1": "YYC", "eu-central-1": "FRA", "eu-central-2": "ZRH",
    "eu-north-1": "ARN", "eu-south-1": "MXP", "eu-south-2": "ZAZ", "eu-west-1": "DUB", "eu-west-2": "LHR",
    "eu-west-3": "CDG", "il-central-1": "TLV", "me-central-1": "DXB", "me-south-1": "BAH", "mx-central-1": "QRO",
    "sa-east-1": "GRU", "us-east-1": "IAD", "us-east-2": "CMH", "us-west-1": "SJC", "us-west-2": "PDX",
}  # fmt: skip
"""A cloud's regions, each with the airport nearest to it."""

WORLD_12 = "IAD SJC GRU LHR FRA JNB DXB BOM SIN HKG NRT SYD"

WORLD_50 = """
    SEA SJC LAX DEN DFW ORD ATL IAD EWR YYZ MIA MEX BOG LIM SCL EZE GRU LHR DUB AMS CDG FRA MAD LIS MXP ARN WAW VIE
    SOF IST SVO TLV CAI JNB CPT LOS NBO DXB KHI BOM MAA DEL SIN KUL CGK HKG ICN NRT PER SYD
"""

EDGE = """
    AAE ABJ ABQ ACC ACX ADB ADD ADL AGR AKL AKX ALA ALG AMD AMM AMS ANC ARI ARN ARU ASK ASU ATH ATL AUS AVA BAH BAQ
    BBI BCN BDQ BEG BEL BEY BGI BGR BGW BKK BLR BNA BNE BOD BOG BOM BOS BRU BSB BSR BTS BUD BUF BWN CAI CAN CAW CBR
    CCU CDG CEB CFC CGB CGD CGK CGO CGP CGY CHC CJB CKG CLE CLO CLT CMB CMH CNF CNN CNX COK COR CPH CPT CRK CSX CTU
    CVG CWB CZL CZX DAC DAD DAR DEL DEN DFW DKR DLA DLC DME DMM DOH DPS DTW DUB DUR DUS DXB EBB EBL EVN EWR EZE FCO
    FIH FLN FOC FOR FRA FSD FUK FUO GBE GDL GEO GIG GND GOT GRU GUA GUM GVA GYD GYE GYN HAK HAM HAN HBA HEL HFA HGH
    HKG HNL HRE HYD HYN IAD IAH ICN IND ISB IST ISU IXC JAX JDO JED JHB JIB JNB JOG JOI JRG KBP KCH KEF KGL KHH KHI
    KHN KIN KIX KJA KMG KNU KTM KUL KWE KWI LAD LAS LAX LCA LED LHE LHR LIM LIS LJU LLK LLW LOS LPB LUN LUX LYA LYS
    MAA MAD MAN MAO MBA MCI MCT MDE MEL MEM MEX MFM MIA MLA MLE MLG MNL MPM MRS MRU MSP MSQ MUC MXP NAG NBO NJF NOU
    NQN NQZ NRT NVT OKA OKC OMA ORD ORF ORN OSL OTP OUA PAT PBH PBM PDX PER PHL PHX PIT PKX PMO PMW PNQ POA POS PPT
    PRG PTY QRO RAO RDU REC RIC RIX RUH RUN SAN SAP SAT SCL SDQ SEA SFO SGN SHA SIN SJC SJK SJO SJP SJU SJW SKG SKP
    SLC SMF SOD SOF SSA STI STL STR SUV SYD SZX TAO TBS TEN TGU TIA TLH TLL TLV TNA TNR TPA TPE TUN TXL UDI UDR
    UIO ULN URT VCP VIE VIX VNO VTE WAW WDH WLG WRO XAP XIY YHZ YUL YVR YWG YXE YYC YYZ ZAG ZRH
"""

PRESETS: dict[str, tuple[str, ...]] = {
    "aws-33": tuple(sorted(AWS.values())),
    "world-12": tuple(WORLD_12.split()),
    "world-50": tuple(WORLD_50.split()),
    "edge-330": tuple(EDGE.split()),
    "edge-1000": tuple(code + tail for tail in ("", "-2", "-3", "-4") for code in EDGE.split())[:1000],
}
"""Name -> codes, in their order. `edge-1000` has up to four colos at a place."""


class Place(NamedTuple):
    """A colo on the map: its code, city and country (ISO 3166, two letters), time zone, degrees north and east."""

    code: str
    city: str
    country: str
    zone: str
    lat: float
    lon: float


def preset(name: str) -> tuple[str, ...]:
    """The codes of the colos of a preset. Raises BadRequest.

    >>> len(preset("edge-330")), preset("world-12")[:4]
    (330, ('IAD', 'SJC', 'GRU', 'LHR'))
    """
    if name not in PRESETS:
        raise BadRequest(f"no preset {show(name)}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def code_of(colo: str) -> str:
    """The airport of a colo.

    >>> code_of("lhr-2")
    'LHR'
    """
    return colo[:3].upper() if colo[3:4] in ("", "-") else colo.upper()


def place(colo: str) -> Place:
    """Where a colo is. Raises BadRequest where its code is no airport's.

    >>> here = place("sin-2")
    >>> here.code, here.city, here.country, round(here.lat, 1), round(here.lon, 1)
    ('SIN', 'Singapore', 'SG', 1.4, 104.0)
    """
    code = code_of(colo)
    row = _airports().get(code)
    if row is None:
        raise BadRequest(f"no airport {show(colo)}; a colo is named by an IATA code, as in 'LHR', or 'LHR-2'")
    return Place(code, row["city"], row["country"], row["tz"], row["lat"], row["lon"])


@cache
def _airports() -> dict[str, Any]:
    try:
        import airportsdata
    except ImportError:
        raise BadRequest(
            "a simulation on the map needs the package 'airportsdata'", next_step="pip install airportsdata"
        ) from None
    return dict(airportsdata.load("IATA"))
