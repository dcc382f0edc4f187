"""The 2,000 faces of CelebA-HQ that LaMa (Suvorov et al., WACV 2022) tests on.

Source: `fetch_data/val_shuffled.flist` of github.com/advimman/lama (Apache-2.0), names <i>.jpg with
i from 0, the place in CelebA-HQ's own order. Kept here as the differences of the sorted numbers,
one byte each, zlib, base85; SHA-256 of the sorted numbers as decimals joined by commas:
7af173c7eebc293e6fbe65ca0109a58e53066f061ff48823eea2e93121ae4caa.
"""

import base64
import zlib
from itertools import accumulate

_DIFFERENCES = (
  "c-jq>$C4b!5kMnNdEeD;{Oru^&a5{ChyW-8#FErO5#)tGppZ_w>#ko{U8^Ij(!6|4?$t}VrALtHm75|Al=+UVu$8{}3T{-"
  "_d=f8Wk2dh3(=bgchMD9rsl((KWgYpb%=asy0Z)`8jbX(-&?TW$Cod$^q8`_ZWGAfqr@eWJ^2Z&%NhQPsb~c~u;YIRD`qw"
  "^$3L6XN-UkVQH-eGwP`o=tt$JZ|kV!s02z2vzi{l?kqY_##(`bp3sd4Bs8tM*9rDisRN>zRXRGB)I-U#pDVfuQaO_;^fkS"
  ">#9!N#!EF9eeH?I4rmTiB`iU(}1lRrg)zoeatD;Qm&PWhMkNU7ru+-!$5+VD6Q5BoplwtoEXyz@Q!YfMr9z6Z{s;ekWZ7k"
  "*(dT%lb8SU5<!C9_u1Q&{-px7Z#9yug?R5R!I5BHWfmm-1B1E_ok=f@pFZqhJtc;iU%0VTJU2~;O#JLGa~{Dkh=;2agQ4="
  "CON0I!CQ$uGyZ}FAw1==0D#G2zzRA8%t9NhI*9cu-}5Gmo~%zjD7oEv**Z=+lV*wK)78{}jKHecXs$jK^w0cR%yh>93nf}"
  "SFSCBFE~R$R#qqK;h1{bONXsstBFi3~iw3n-30$ZB%53Ibqc-sgSWvjRH*W$J|7;PQ@a>D2p~KZTtn~5#4t5}AlpgiE_6H"
  "yk*Fn|q|KppjeK!wwyXxcDLKQ<7I~iG_SV}eAPa_2y?>rAkFlfQ?{gWAwgOsV!A!iAnwn<tkia>|}*WY445+7Ua9mly29="
  "%}62250^6UoOl8t#o(!APTFPA6O?q4EMWE*}vWyHzL#doAZvOQK?SN?Q241IArLoMCGu3;->C{KQoGYIXT57B0MHGfuK-S"
  "?Snotx54Hubn-#zD2T#J6jW)bJ{ZHMkw5xQEqb4#fA>_YD>R$N}Qh<m7$v#Zmm@94v?UH5Pv$csqfW;!h>}m+9IR1P<~D&"
  "e{2-7Gv5ahL}xZvthq<Ndxay)&^C~0^OJT$?UYEVkF){%01tHj#{#7y^XqUyDVP(LCD5z{iJ>2r;=tvWSYVpwUrH}Pixw&"
  "Z4h!j$Fuq{7Z~+3GaY|A+Ts*16ypShJ;hnjKr1|X(f^YO7mz5J3a4c!N3YYNZs!^c4adWlE(K;;$r6;TO9=jimJSG3yP4`"
  "Pc&P6HVL!l^1vRY{7M+YTJxzku<m^7lo26HhN`R`^rLB#=P>1}gT1Hb#1wRA+@!;9?Fcx+Q}n4#vgVf%$A66Okiz*gGQq6"
  "vR4tq?Xwz&@V+y^?qQ$WkqFc{9p5{$}C^&4Sh>L8d}0tUY)<enc@abhMX73LD0ySi=%VP?cFI5Tn-DkgLjeM3=O(F|#-@H"
  "=d~ZKux9w(xRD3glBhV>hFwPG<Y?xwB`buhpWIp?Qn{oQ(g;0e`~4BHs{Btm>{igr;Gub{*1_CS!ucnp@#we++cY&<e3<-"
  "V&a4y(9*+WI8R^)AM{vlXQ}7SW`*s&V3b2wM7mC!#zNn?T-WTk7OpKON>~CVsFj1dZQbg%TRy<hEPVqo-nG9=A01n(p3%b"
  "~F|^0Dv%Ybnb=+SlP9nWML5+1wZI{U!(W-}P8RKH`t8geqZ&;D&0_tffACk{LT|mfnK5jRaTT`|3&5q_j$5-@b3yX0LpST"
  "Y^;z`FYEz5R4-<rNHS?1Pqz$3T%lQ>;_Fe$8{`43~{-Y1`^DRdnytWr`l>J#s~&*<BjdY-;6%t|f&hCXuI5|A^Z>h&2AQ4"
  "V5PCz3Xt2jFWv3VRQRFQ$7un`l?f4R|1UqZ8Yd^2N%iMJHRS;o<)Y@^u;"
)

TEST = frozenset(accumulate(zlib.decompress(base64.b85decode(_DIFFERENCES))))
"""Numbers 0..29999."""
