#!/bin/sh -e
# align bwa|minimap2 GENOME READS1 READS2 NAME: writes NAME.bam (sorted, indexed), NAME.vcf.gz (variants),
# NAME.bed (where nothing was read) and NAME.log
program=$1 genome=$2 name=$5
case $program in
    bwa) bwa index "$genome" 2>"$name.log"; bwa mem "$genome" "$3" "$4" >"$name.sam" 2>>"$name.log" ;;
    minimap2) minimap2 -a -x sr "$genome" "$3" "$4" >"$name.sam" 2>"$name.log" ;;
esac
samtools sort -o "$name.bam" "$name.sam"
samtools index "$name.bam"
bcftools mpileup -Ou -f "$genome" "$name.bam" 2>>"$name.log" | bcftools call -mv --ploidy 1 -Oz -o "$name.vcf.gz"
tabix -p vcf "$name.vcf.gz"
bedtools genomecov -ibam "$name.bam" -bga | awk '$4 == 0' >"$name.bed"
