"""The units of measure that a point may have, so that one quantity is not spelled in five ways.

Symbols of the International System and what is accepted beside it (SI Brochure, 9th edition, in ASCII: degC, deg, u for
micro, m3, Ohm), and what plants are measured in; neither C nor F, which some mean as degrees. A unit that is missing
here is written after "x:" and published with it, so that a consumer sees that it is not from the list. Loaded for the
check only.
"""

PREFIX = "x:"

# One line per quantity. Those with a second word: its UCUM code (ucum.org), where that differs.
LIST = """
1 % %RH=% permille=[ppth] ppm=[ppm] ppb=[ppb] count={count} pcs={piece}
V mV kV uV A mA uA kA W mW kW MW GW VA kVA MVA var=V.A{reactive} kvar=kV.A{reactive} Mvar=MV.A{reactive}
Wh=W.h kWh=kW.h MWh=MW.h GWh=GW.h VAh=V.A.h kVAh=kV.A.h varh=V.A.h{reactive} kvarh=kV.A.h{reactive} Ah=A.h mAh=mA.h
J kJ MJ GJ cal kcal BTU=[Btu] Ohm mOhm kOhm MOhm uF nF pF H mH S mS uS mS/cm uS/cm Hz kHz MHz
degC=Cel degF=[degF] K degR=[degR] W/m2 W/m2K=W/(m2.K) kJ/kg J/kgK=J/(kg.K)
Pa hPa kPa MPa bar mbar psi=[psi] mmHg=mm[Hg] inH2O=[in_i'H2O] mmH2O=mm[H2O] atm
m mm cm um nm km in=[in_i] ft=[ft_i] m2 mm2 cm2 ha m3 l=L ml=mL hl=hL cm3 dm3 gal=[gal_us]
s ms us min h d a
m/s mm/s km/h m/min m/s2 mm/s2 g0=[g] rpm={rpm} 1/s 1/min 1/h rad rad/s deg
m3/h m3/s m3/min l/h=L/h l/min=L/min l/s=L/s ml/min=mL/min kg/h kg/s t/h gpm=[gal_us]/min
g mg ug kg t lb=[lb_av] N kN mN Nm=N.m kNm=kN.m kg/m3 g/m3 mg/m3 ug/m3 g/l=g/L mg/l=mg/L g/cm3 Pas=Pa.s mPas=mPa.s
mm2/s cSt NTU={NTU} pH=[pH] lx lm cd Bq Sv mSv uSv Gy dB=dB dBm=dB[mW] dBA=dB{A} T mT
B=By kB=kBy MB=MBy bit bit/s Bd={Bd}
kWh/m3=kW.h/m3 m3/kWh=m3/(kW.h) l/kWh=L/(kW.h) g/kWh=g/(kW.h) kg/kWh=kg/(kW.h)
"""


def symbols():
    """All of them."""
    return [word.partition("=")[0] for word in LIST.split()]


def ucum_of(unit):
    """The UCUM code of one of the list."""
    for word in LIST.split():
        symbol, _, code = word.partition("=")
        if symbol == unit:
            return code or symbol
    return None


def mistake(value):
    """What is allowed in place of `value`, or None if it is a unit."""
    if isinstance(value, str) and len(value) <= 16:
        if not value or value in symbols():
            return None
        if value[: len(PREFIX)] == PREFIX and len(value) > len(PREFIX) and min(value) >= " ":
            return None
        close = _alike(value)
        return "a unit of gateway/units.py%s, or any after %s" % (close and " as %s" % close, PREFIX)
    return "a unit of at most 16 characters"


def _alike(value):
    # Names that people write, then what differs in capitals, spaces or dots only, then a typing mistake.
    plain = _plain(value)
    known = _OTHERS.get(plain)
    if known:
        return known
    found = [symbol for symbol in symbols() if _plain(symbol) == plain]
    if not found and len(value) > 2:
        from console.keys import nearest

        found = [nearest(value, symbols()) or ""]
    return found[0] if found else ""


def _plain(text):
    return "".join([c for c in text.lower() if c not in " .*^_"])


_OTHERS = {
    "\u00b0c": "degC",
    "c": "degC",
    "celsius": "degC",
    "\u00b0f": "degF",
    "\u00b0": "deg",
    "volt": "V",
    "volts": "V",
    "amp": "A",
    "amps": "A",
    "ampere": "A",
    "watt": "W",
    "watts": "W",
    "\u2126": "Ohm",
    "\u03c9": "Ohm",
    "ohms": "Ohm",
    "m\u00b3": "m3",
    "m\u00b3/h": "m3/h",
    "m\u00b2": "m2",
    "percent": "%",
    "rh": "%RH",
    "%rh": "%RH",
    "1/min": "rpm",
    "sec": "s",
    "hour": "h",
    "hours": "h",
    "liter": "l",
    "litre": "l",
    "\u00b5s": "us",
    "\u00b5a": "uA",
}
